"""The options of riis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import AS, Option, PsnrOption, Size

Travel = Literal["auto", "bytes", "compressed"]


@dataclass(frozen=True)
class HideOptions:
    """travel: a file byte for byte, or a picture as a compressed one. psnr: dB of the stego; 42 without.

    distortion: what the receiver is to assume, see RevealOptions.
    """

    travel: Annotated[Travel, AS] = "auto"
    psnr: PsnrOption = None


DISTORTION = Option("What the picture went through: png, jpeg:Q, jpeg:A..B, noise:S or crop. Found out without it.")


@dataclass(frozen=True)
class RevealOptions:
    """distortion: read the stego as made for this channel only. original_size: resize to this first."""

    distortion: Annotated[str | None, DISTORTION] = None
    original_size: Annotated[Size | None, Option("Size that the stego had before somebody resized it.")] = None

    def __post_init__(self) -> None:
        from stegcli.pictures import channel

        if self.distortion is not None:
            kind = channel.pattern(channel.parse_survive(self.distortion))
            if kind not in SURVIVES:
                raise UsageError(f"--distortion takes no {self.distortion!r}", f"one of {', '.join(SURVIVES)}")


SURVIVES = ("png", "jpeg:Q", "jpeg:A..B", "noise:S", "crop")
