"""The options of lossless-inn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stegcli.options import Option


@dataclass(frozen=True)
class HideOptions:
    """key_out: the paper's form: the key file carries z, and with it the message."""

    key_out: Annotated[
        Path | None,
        Option("Hide in the paper's form and write this key file, which then carries the message too.", names_key=True),
    ] = None
