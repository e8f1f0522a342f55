"""The options of lossless-inn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stegcli.options import Option


@dataclass(frozen=True)
class HideOptions:
    """key_out: the paper's form: the key file carries z, and with it the message. The others: see their help."""

    key_out: Annotated[
        Path | None,
        Option("Hide in the paper's form and write this key file, which then carries the message too.", names_key=True),
    ] = None
    costs: Annotated[
        Literal["juniward", "uerd"],
        Option("JPEG covers: where changes show least; juniward is the hardest to detect, uerd the fastest."),
    ] = "juniward"
    payload_limit: Annotated[
        float,
        Option("JPEG covers: message bits for each AC coefficient that is not zero; more is easier to detect.",
               min=0.001, max=0.4),
    ] = 0.1  # fmt: skip
    keep_metadata: Annotated[
        bool, Option("JPEG covers: leave every byte before the picture's data as it was, the place (GPS) included.")
    ] = False
    unsafe_cover: Annotated[
        bool, Option("Hide in the pixels of a picture that was a JPEG, though that can be detected with certainty.")
    ] = False
