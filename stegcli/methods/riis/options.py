"""The options of riis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import AS, Option, PsnrOption, Size

Travel = Literal["auto", "bytes", "compressed", "network"]


@dataclass(frozen=True)
class HideOptions:
    """travel: a file byte for byte, a picture as a compressed one, or by the paper's network. psnr: dB of the stego; 42
    without."""

    travel: Annotated[Travel, AS] = "auto"
    psnr: PsnrOption = None

    def __post_init__(self) -> None:
        if self.travel == "network" and self.psnr is not None:
            raise UsageError("--psnr means nothing to --as network", "its weights set the quality")


DISTORTION = Option(
    "What the picture went through: png, jpeg:Q, jpeg:A..B, webp:Q, noise:S or crop. Found out without it."
)


HOST = Option("With --as network: also write the cover, as the network restores it, to this file.", names_output=True)


@dataclass(frozen=True)
class RevealOptions:
    """travel: network for a stego of the network, which has no key. distortion: read the stego as made for this channel
    only. original_size: resize to this first. host_out: where to write the cover that the network restores."""

    travel: Annotated[Literal["auto", "network"], AS] = "auto"
    distortion: Annotated[str | None, DISTORTION] = None
    original_size: Annotated[Size | None, Option("Size that the stego had before somebody resized it.")] = None
    host_out: Annotated[Path | None, HOST] = None

    def __post_init__(self) -> None:
        from stegcli.pictures import channel

        if self.distortion is not None:
            kind = channel.pattern(channel.parse_survive(self.distortion))
            if kind not in SURVIVES:
                raise UsageError(f"--distortion takes no {self.distortion!r}", f"one of {', '.join(SURVIVES)}")


SURVIVES = ("png", "jpeg:Q", "jpeg:A..B", "webp:Q", "noise:S", "crop")
