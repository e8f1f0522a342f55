"""The options of glow2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import AS, Option, SizeOption

Travel = Literal["auto", "bytes", "picture", "compressed", "cascade"]


@dataclass(frozen=True)
class HideOptions:
    """travel: how a secret goes: its file byte for byte, or as a picture, which may lose something.

    size: of the stego. temperature: of the generator. redundancy: copies of a picture's latents in the cascade.
    """

    travel: Annotated[Travel, AS] = "auto"
    size: SizeOption = None
    temperature: Annotated[
        float | None, Option("How freely the generator draws. Lower draws calmer pictures, which carry less.")
    ] = None
    redundancy: Annotated[Literal[1, 2, 4] | None, Option("Copies of a picture that travels as cascade.")] = None

    def __post_init__(self) -> None:
        if self.redundancy is not None and self.travel != "cascade":
            raise UsageError("--redundancy goes with --as cascade")
