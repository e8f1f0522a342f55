"""`stego sample`: draw innocent pictures, by the rule that stegos pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from stegcli import methods
from stegcli.cli import complete
from stegcli.cli.options import (
    FILES,
    METHOD,
    OUTPUT,
    DeviceOption,
    ForceOption,
    JsonOption,
    QuietOption,
    RobustOption,
    SurviveOption,
    WeightsOption,
    check_facets,
    command,
    parsed,
    survive_text,
)
from stegcli.cli.parameters import argument, option
from stegcli.errors import UsageError
from stegcli.options import JPEG_QUALITY

EXAMPLES = """
Examples:

stego sample glow2 -o drawn/ --count 2

stego sample glow2 -o landscapes/ --count 2 --quality 80 --domain landscapes
"""

SampleArgument = Annotated[str, argument(help="The method whose generator draws.", complete=complete.drawing_methods)]
FolderOption = Annotated[Path, option("-o", "--output", help="The folder for the pictures.", panel=FILES)]
CountOption = Annotated[int, option(min=1, help="How many pictures to draw.", panel=FILES)]
FormatOption = Annotated[
    str | None,
    option(
        "--format",
        help="Suffix of the files: png, jpg, webp, tiff or bmp; by default as `stego hide` writes where no name says "
        "it. Compare with stegos in the same format.",
        panel=OUTPUT,
    ),
]  # fmt: skip
SampleQualityOption = Annotated[
    int | None,
    option(min=1, max=100, help=f"Quality of JPEG files; {JPEG_QUALITY} by default.", panel=OUTPUT),
]
SampleSeedOption = Annotated[
    int | None,
    option(min=0, help="Draw the same pictures again. Fresh ones by default.", panel=METHOD),
]


@command(EXAMPLES)
def sample(
    method: SampleArgument,
    output: FolderOption,
    asked: dict[str, str | bool],
    facets: dict[str, str],
    count: CountOption = 1,
    named: WeightsOption = None,
    survive: SurviveOption = None,
    robust: RobustOption = False,
    format: FormatOption = None,
    quality: SampleQualityOption = None,
    seed: SampleSeedOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Draw pictures without a message, by the same rule as stegos. Give the options that the stegos were made with."""
    about = methods.about(method)
    if not about.draws:
        drawing = ", ".join(complete.drawing_methods(""))
        raise UsageError(f"{method} draws no pictures of its own", f"methods that do: {drawing}")
    own = parsed("sample", method, asked)
    check_facets(method, facets)
    text = survive_text(survive, robust)
    from stegcli.cli import sampling

    plan = sampling.planned(method, own, named, facets, text, format, quality, about.format_for(survive))
    sampling.sample(plan, output, count, seed, json, quiet, force, device)
