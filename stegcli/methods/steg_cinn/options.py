"""The options of steg-cinn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import Option

GRAINS = (0.0, 0.35, 0.5, 0.7, 1.0)
"""Noise of colours that the networks are told of; receivers try them in the order of likelihood."""
MODE = Option("keep every 2nd, 4th or 8th pixel's colour and redraw the rest, or recolour all of the picture.")
TOP = Option("With --mode keep: redraw all but every 2^TOP-th row and column. By default the least that fits.")
TEMPERATURE = Option("With --mode recolour: how bold the colours are.", min=0.1, max=1.5)
GRAIN = Option("Noise in the drawn colours, in grey levels. By default what is likeliest for the cover.")
BITS = Option("Bits that a colour of a pixel carries before the code.")
GAP = Option("With --bits 1: latents this near to 0 are left out, as in the paper (0.1). It shows.", min=0, max=1)


@dataclass(frozen=True)
class HideOptions:
    """mode: by default keep, and recolour for grey covers. See the help of each for the rest."""

    mode: Annotated[Literal["auto", "keep", "recolour"], MODE] = "auto"
    top: Annotated[Literal[1, 2, 3] | None, TOP] = None
    temperature: Annotated[float | None, TEMPERATURE] = None
    grain: Annotated[Literal["auto", "0", "0.35", "0.5", "0.7", "1"], GRAIN] = "auto"
    bits: Annotated[Literal[1, 2, 3], BITS] = 2
    gap: Annotated[float, GAP] = 0.0

    def __post_init__(self) -> None:
        if self.top is not None and self.mode == "recolour":
            raise UsageError("--top goes with --mode keep")
        if self.temperature is not None and self.mode == "keep":
            raise UsageError("--temperature goes with --mode recolour")
        if self.gap and self.bits != 1:
            raise UsageError("--gap goes with --bits 1")
