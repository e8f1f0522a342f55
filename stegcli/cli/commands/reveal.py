"""`stego reveal`: a stego back into its secrets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stegcli import files, methods
from stegcli.cli import inputs, jobs
from stegcli.cli.jobs import RevealJob
from stegcli.cli.options import (
    KEYS,
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonOption,
    MethodOption,
    OutOption,
    QuietOption,
    WeightsOption,
    parsed,
    takes_options_of_methods,
)
from stegcli.errors import UsageError
from stegcli.files import STDIO

EXAMPLES = """
Examples:

stego reveal out.png --key out.key.npy -o report.pdf

cat out.png | stego reveal --key key.npy > report.pdf

stego reveal stegos/*.png --key key.npy -o back/ --jobs 2
"""

StegoArgument = Annotated[
    list[str] | None, typer.Argument(help="The stego; none or - is standard input. Several: a batch.")
]
KeyOption = Annotated[
    str | None, typer.Option(help="The key file; else the one that STEGO_KEY names.", rich_help_panel=KEYS)
]


@takes_options_of_methods("reveal")
def reveal(
    asked: dict[str, str | bool],
    stego: StegoArgument = None,
    key: KeyOption = None,
    output: OutOption = None,
    method: MethodOption = None,
    named: WeightsOption = None,
    workers: JobsOption = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Get the hidden file back; without -o to standard output."""
    stegos = stego or [STDIO]
    batch = inputs.is_batch(stegos, output)
    keyless = method is not None and not methods.about(method).keyed
    given = _key_for(key, keyless)
    if not given and not batch and not keyless:
        raise UsageError("no key", "give --key KEY.npy or set STEGO_KEY")
    inputs.check_stdin(*stegos, *given)
    if method is not None:
        parsed("reveal", method, asked)
    outputs = inputs.batch_outputs(stegos, output, "") if batch else [output or STDIO]
    to_stdout = outputs[0] == STDIO
    if not batch and not to_stdout and "%d" not in outputs[0]:
        files.check_writable([Path(outputs[0])], force)
    quiet = quiet or (json and to_stdout)
    models = jobs.Models(named, device)
    todo = []
    for index, (name, out) in enumerate(zip(stegos, outputs, strict=True)):
        path = None if keyless else given[0] if given else str(inputs.beside(name))
        job = RevealJob(name, out, path, method, not batch, tuple(asked.items()), index if given else 0)
        todo.append((name, partial(jobs.reveal, job, models, force, quiet or batch)))
    with inputs.made_folder(output if batch else None):
        status = jobs.run("revealing", todo, batch, workers, json, quiet, to_stdout)
    if status:
        raise typer.Exit(status)


def _key_for(key: str | None, keyless: bool) -> list[str]:
    if keyless:
        if key is not None:
            raise UsageError("this method takes no key", "leave --key out")
        return []
    return [key] if key is not None else inputs.key_of_environment()
