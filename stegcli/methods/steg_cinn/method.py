"""The method: a cover's luminance stays, its colours are drawn anew and carry any file.

hide     cover -> luminance and colour differences -> draw, the message in the numbers drawn from -> pixels
reveal   pixels -> the same luminance and differences -> cells of the numbers -> message
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Draft, Method, Request, Revealed, check_side
from stegcli.methods.steg_cinn import ABOUT, covers
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pictures.image import Picture

if TYPE_CHECKING:
    from torch import nn

    from stegcli.methods.steg_cinn.codec import Codec
    from stegcli.methods.steg_cinn.sender import Known, Made, Sender

FILLED = "the cover was a JPEG once: its colours were spread first, so that kept pixels look like drawn ones"
PLAIN = (
    "does not fit: nothing, since hardly any colour of this cover may change unseen",
    "use a cover with fewer black, white and even areas",
)
RECOLOURED = "the cover has no colours: all of them were drawn"


def build(**config: Any) -> StegCinn:
    return StegCinn(config)


class StegCinn(Method):
    """fine, coarse: configurations of the networks of levels 1 to 3, and of those above. cinn: of the paper's flow, to
    compare with."""

    about = ABOUT

    def build_networks(self) -> nn.Module:
        from torch import nn

        from stegcli.methods.steg_cinn.coarse import Coarse
        from stegcli.methods.steg_cinn.nets import Fine

        parts: dict[str, nn.Module] = {}
        if "fine" in self.config:
            parts["fine"] = Fine(**cast(dict[str, Any], self.config["fine"]))
        if "coarse" in self.config:
            parts["coarse"] = Coarse(**cast(dict[str, Any], self.config["coarse"]))
        if "cinn" in self.config:
            from stegcli.methods.steg_cinn.rivals.cinn import ColourFlow

            parts["cinn"] = ColourFlow(**cast(dict[str, Any], self.config["cinn"]))
        return nn.ModuleDict(parts)

    @functools.cached_property
    def codec(self) -> Codec:
        from stegcli.methods.steg_cinn.codec import Codec

        networks = cast("nn.ModuleDict", self.networks)
        if "fine" not in networks:
            raise UsageError("these weights of steg-cinn hold no part 'fine'", "join them with training/assemble.py")
        parts = dict(networks.items())
        return Codec(cast(Any, parts["fine"]), cast(Any, parts.get("coarse")), self.device)

    @functools.cached_property
    def _known(self) -> Known:
        from stegcli.methods.steg_cinn.sender import Known

        return Known()

    def capacity(self, request: Request) -> int:
        if request.cover is None:
            return 0
        check_side(self, request.cover)
        return max(0, self.sender(request.cover, request.options).capacity())

    def drafts(self, request: Request) -> Iterator[Draft]:
        (secret,), (key,), cover = request.secrets, request.keys, request.cover
        assert cover is not None
        check_side(self, cover)
        sender = self.sender(cover, request.options)
        capacity = sender.capacity()
        if capacity < 0:
            raise CapacityError(0, len(secret.data), PLAIN[1], PLAIN[0])
        if len(secret.data) > capacity:
            raise CapacityError(capacity, len(secret.data), self._more(request.options))
        for made in sender.stegos(secret.data, key):
            yield self._draft(made, secret.data, sender, cover, capacity)

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        from stegcli.methods.steg_cinn import receiver

        if asked.key is None or min(stego.height, stego.width) < self.about.min_side:
            raise RevealError
        return (Revealed(receiver.reveal(self.codec, stego.pixels, asked.key)),)

    def sender(self, cover: Picture, options: HideOptions) -> Sender:
        """The cover, prepared, and what is wished for it."""
        from stegcli.methods.steg_cinn import sender

        ready = covers.prepare(cover.pixels, Stream(secrets.token_bytes(32)).uniform)
        return sender.Sender(
            self.codec,
            ready,
            tops=self._tops(ready, options),
            grain=options.grain,
            m=options.bits,
            gap=options.gap,
            temperature=options.temperature if options.temperature is not None else sender.TEMPERATURE,
            known=self._known,
        )

    def _tops(self, cover: covers.Cover, options: HideOptions) -> tuple[int, ...]:
        """The levels that may be redrawn, the least first."""
        from stegcli.methods.steg_cinn.codec import EVERYTHING
        from stegcli.methods.steg_cinn.sender import TOPS

        recolour = options.mode == "recolour" or (options.mode == "auto" and cover.colourless and options.top is None)
        if not recolour:
            return TOPS if options.top is None else (options.top,)
        if self.codec.coarse is None:
            raise UsageError("these weights of steg-cinn cannot recolour", "use --mode keep")
        return (EVERYTHING,)

    def _draft(self, made: Made, data: bytes, sender: Sender, cover: Picture, capacity: int) -> Draft:
        from stegcli.methods.steg_cinn.codec import EVERYTHING

        notes = [FILLED] if sender.cover.filled and made.top != EVERYTHING else []
        if made.top == EVERYTHING and sender.cover.colourless:
            notes.append(RECOLOURED)
        figures = {
            "top": float(made.top), "grain": made.grain, "coded_bits": float(made.coded), "wrong_bits": made.wrong,
            "information": made.information,
        }  # fmt: skip
        return Draft(
            replace(cover, pixels=made.pixels, notes=(), jpeg=None, palette=False, source=None),
            (data,),
            ("bytes",),
            capacity,
            notes=tuple(notes),
            cover=None if made.top == EVERYTHING else cover,
            measured=figures,
        )

    def _more(self, options: HideOptions) -> str:
        if options.top is not None and options.top < 3:
            return "leave out --top, or use a larger cover"
        if options.bits < 2:
            return "use --bits 2, or a larger cover"
        return self.needs_larger()
