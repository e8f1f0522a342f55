"""The options of lossless-inn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import Option

UNSAFE = Option(
    "Hide in the pixels of a picture that was a JPEG or another lossy file, although this is certainly detected."
)


@dataclass(frozen=True)
class HideOptions:
    """key_out: use the paper's form, in which the key file carries z, and z the message. The others: see their help."""

    key_out: Annotated[
        Path | None,
        Option("Hide as in the paper and write this key file, which then carries the message too.", names_key=True),
    ] = None
    costs: Annotated[
        Literal["juniward", "uerd"],
        Option("JPEG covers: cost function that chooses the changes; juniward is hardest to detect, uerd fastest."),
    ] = "juniward"
    payload_limit: Annotated[
        float,
        Option("JPEG covers: message bits per nonzero AC coefficient; more is easier to detect.",
               min=0.001, max=0.4),
    ] = 0.1  # fmt: skip
    keep_metadata: Annotated[bool, Option("JPEG covers: keep all metadata unchanged, including the GPS position.")] = (
        False
    )
    unsafe_cover: Annotated[bool, UNSAFE] = False


@dataclass(frozen=True)
class EvaluateOptions:
    """jpeg: measure hiding in JPEG covers of this quality, and nothing else. rate, epochs: see their help."""

    jpeg: Annotated[
        int | None,
        Option("Measure how well detectors find messages in JPEG covers, which are made from yours with this quality; "
               "beside other schemes, if they are installed.", min=1, max=98),
    ] = None  # fmt: skip
    rate: Annotated[
        float | None,
        Option("With --jpeg: message bits per nonzero AC coefficient. 0.1 and 0.4 by default.", min=0.001, max=0.4),
    ] = None
    epochs: Annotated[int, Option("With --jpeg: epochs that the CNN is taught for each row; 0 for no CNN.", min=0)] = 20

    def __post_init__(self) -> None:
        if self.jpeg is None and (self.rate is not None or self.epochs != 20):
            raise UsageError("--rate and --epochs go with --jpeg")
