"""The options of glow2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.options import AS, Option, SizeOption

Travel = Literal["auto", "bytes", "picture", "compressed", "cascade"]


TEMPERATURE = Option("Temperature of the generator. A lower one draws smoother pictures, which carry less.")


@dataclass(frozen=True)
class SampleOptions:
    """size, temperature: as for a stego. receivers: of the stegos to compare with."""

    size: SizeOption = None
    temperature: Annotated[float | None, TEMPERATURE] = None
    receivers: Annotated[Literal[1, 2, 3, 4], Option("Number of receivers of the stegos to compare with.")] = 1


@dataclass(frozen=True)
class HideOptions:
    """travel: form of the secret: its file byte for byte, or a picture, which may lose detail.

    size: of the stego. temperature: of the generator.
    """

    travel: Annotated[Travel, AS] = "auto"
    size: SizeOption = None
    temperature: Annotated[float | None, TEMPERATURE] = None
