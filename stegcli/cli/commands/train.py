"""`stego train`: train the weights of a method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from stegcli import methods
from stegcli.cli import complete
from stegcli.cli.console import bar, say
from stegcli.cli.options import DeviceOption, ForceOption, QuietOption, SeedOption, command
from stegcli.cli.parameters import argument, option
from stegcli.errors import FileError, UsageError

EXAMPLES = """
Examples:

stego train lossless-inn --part density --data photos/ --val held-out/ -o density.safetensors --minutes 30

stego train lossless-inn --part density --data photos/ -o density.safetensors --minutes 30 --resume
"""

TrainArgument = Annotated[str, argument(help="The method to train.", complete=complete.method_names)]
DataOption = Annotated[Path, option(help="Folder of pictures to train on.")]
TrainedOption = Annotated[Path, option("-o", "--output", help="The file for the weights, FILE.safetensors.")]
PartOption = Annotated[str | None, option(help="Which part of the method; the first by default.")]
MinutesOption = Annotated[float | None, option(min=0.001, help="Budget in minutes.")]
StepsOption = Annotated[int | None, option(min=1, help="Budget in steps.")]
ValOption = Annotated[Path | None, option(help="Folder of pictures for validation; they are not trained on.")]
ResumeOption = Annotated[bool, option("--resume", help="Continue from the checkpoint beside the output.")]
StartOption = Annotated[Path | None, option(help="Start from these weights.")]
BatchOption = Annotated[int | None, option(min=1, help="Batch size in place of the recipe's.")]
PrecisionOption = Annotated[str, option(help="Mixed precision: no, bf16 or fp16.")]


@command(EXAMPLES)
def train(
    method: TrainArgument,
    data: DataOption,
    output: TrainedOption,
    part: PartOption = None,
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    val: ValOption = None,
    resume: ResumeOption = False,
    start: StartOption = None,
    batch: BatchOption = None,
    precision: PrecisionOption = "no",
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Train the weights of a method on a folder of pictures. Ctrl-C saves a checkpoint; --resume continues from it."""
    _check(method, part, minutes, steps, precision)
    if output.suffix != ".safetensors":
        raise UsageError("the output must end in .safetensors")
    if output.exists() and not (force or resume):
        raise FileError(f"output {output} exists", "give --resume to continue, or --force to start again")
    from stegcli import training
    from stegcli.schedule import Budget

    def report(line: str) -> None:
        if not quiet:
            say(line)

    with bar(f"training {method}", quiet) as tick:
        budget = Budget(minutes, steps)
        training.train(
            method, part, data, output, budget, val=val, resume=resume, seed=seed, device=device,
            precision=precision, report=report, tick=tick, batch=batch, start=start,
        )  # fmt: skip
    report(f"wrote {output}")


def _check(method: str, part: str | None, minutes: float | None, steps: int | None, precision: str) -> None:
    """Check the options without loading anything. Raises UsageError."""
    if minutes is not None and steps is not None:
        raise UsageError("--minutes and --steps exclude each other")
    if precision not in ("no", "bf16", "fp16"):
        raise UsageError(f"no precision {precision!r}", "no, bf16 or fp16")
    parts = methods.about(method).parts
    if not parts:
        raise UsageError(f"{method} has no networks to train")
    if part is not None and part.partition("/")[0] not in parts:
        raise UsageError(f"{method} has no part {part!r}", f"parts: {', '.join(parts)}")
