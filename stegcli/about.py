"""The facts of a method, known without loading it. Each method's package holds one `About` as ABOUT.

Nothing here imports torch, so help, tables and usage errors load no networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stegcli.options import NoOptions

LOSSLESS = frozenset({"PNG", "WEBP", "TIFF", "BMP"})
"""Pillow's names of the formats that keep every sample."""
Carries = Literal["bytes", "picture"]
Cover = Literal["given", "generated", "from key"]


@dataclass(frozen=True)
class About:
    """Facts of one method, for the command line, the tables and the checks that run before weights are loaded.

    name: as `--method` takes it. summary: one line for `stego methods` and the help.
    carries: "bytes" for any file, exactly; "picture" for pictures that may come back with some loss.
    cover: "given" by the user, "generated" from the secret, or drawn "from key".
    keyed: whether a key is needed. numbered: whether a key draws a different cover for every message number.
    shares_cover: whether all receivers of a stego must draw the same cover from their keys.
    most_secrets: how many secrets one stego holds at most. shares_key: whether one key can reveal several of them.
    survives: the channels a stego can be made for, as `--survive` names them: png, jpeg:Q, jpeg:A..B, noise:S.
    writes: Pillow's names of the formats a stego can be written in. default_format: the one for outputs whose name
    says none: standard output, pipes, and the files of a batch. keeps_jpeg: whether a JPEG cover becomes a JPEG
    stego without being decoded. min_side: least width and height of a cover or stego, in pixels.
    draws: whether `stego sample` draws innocent pictures, by the rule that its stegos pass.
    hide, reveal, evaluate, sample: dataclasses of the method's own options (`stegcli.options`).
    facets: options that choose a revision of the weights (`--coder`, `--domain`), each with its help.
    parts: what `stego train --part` can train, the default first; PART/NAME trains a piece of one.
    room: how much fits in a picture of a given size. reference: the paper. Both are text for the tables.
    forms: forms of `--as` that have facts and weights of their own, each with these facts. weights: the name or alias
    of the weights if the user names none.
    """

    name: str
    summary: str
    carries: frozenset[Carries]
    cover: Cover
    keyed: bool = True
    numbered: bool = False
    shares_cover: bool = False
    most_secrets: int = 1
    shares_key: bool = False
    survives: tuple[str, ...] = ("png",)
    writes: frozenset[str] = LOSSLESS
    default_format: str = "PNG"
    keeps_jpeg: bool = False
    min_side: int = 64
    hide: type = NoOptions
    reveal: type = NoOptions
    evaluate: type = NoOptions
    draws: bool = False
    sample: type = NoOptions
    facets: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    room: str = ""
    reference: str = ""
    forms: Mapping[str, About] = field(default_factory=dict)
    weights: str = "default"

    @property
    def writes_lossy(self) -> bool:
        return not self.writes <= LOSSLESS

    def format_for(self, survive: str | None) -> str:
        """The format of an output whose name says none. survive: the channel that the user named, or None.

        A stego that is to survive as PNG becomes a PNG.
        """
        return "PNG" if survive == "png" else self.default_format

    def serving(self, options: Any) -> About:
        """Options of hide or reveal -> the facts of the form that they ask for with `--as`."""
        return self.forms.get(getattr(options, "travel", ""), self)

    def keyless(self) -> About | None:
        """The facts of the form that needs no key, or None."""
        return self if not self.keyed else next((a for a in self.forms.values() if not a.keyed), None)
