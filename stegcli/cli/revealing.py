"""The work of `stego reveal`: arguments -> jobs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from stegcli import files, methods
from stegcli.about import About
from stegcli.cli import cluster, inputs, jobs
from stegcli.cli.jobs import RevealJob
from stegcli.cli.models import Models
from stegcli.cli.options import parsed
from stegcli.errors import UsageError
from stegcli.files import STDIO


def reveal(
    stegos: list[str] | None, key: str | None, output: str | None, method: str | None, asked: dict[str, str | bool],
    named: str | None, workers: int, json: bool, quiet: bool, force: bool, device: str, address: str | None = None,
) -> int:  # fmt: skip
    """Reveal every stego. Returns the exit status."""
    stegos = stegos or [STDIO]
    output = output if output is None else files.ordinary(output)
    batch = inputs.is_batch(stegos, output)
    about = _about(method, key, asked)
    keyless = about is not None and not about.keyed
    given = _key_for(key, keyless)
    if not given and not batch and not keyless:
        raise UsageError("no key", "give --key KEY.npy or set STEGO_KEY")
    if "" in given:
        raise UsageError("the name of the key is empty")
    inputs.check_stdin(*stegos, *given)
    outputs = inputs.batch_outputs(stegos, output, "") if batch else [output or STDIO]
    to_stdout = outputs[0] == STDIO
    if not batch and not to_stdout and "%d" not in outputs[0]:
        inputs.refuse_own(outputs, [*stegos, *given])
        files.check_writable([Path(outputs[0])], force)
    quiet = quiet or (json and to_stdout)
    if about is not None and keyless and about.weights != "default":
        named = named or about.weights
    models = Models(named, device)
    todo, passphrases = [], inputs.Passphrases()
    with inputs.made_folder(output if batch else None), cluster.engine(address, models, workers) as (engine, workers):
        for index, (name, out) in enumerate(zip(stegos, outputs, strict=True)):
            path = None if keyless else given[0] if given else str(inputs.beside(name))
            job = RevealJob(
                name, out, path, method, not batch, tuple(asked.items()), index if given else 0, passphrases
            )
            todo.append((name, partial(jobs.reveal, job, models, force, quiet or batch, engine)))
        return jobs.run("revealing", todo, batch, workers, json, quiet, to_stdout)


def _about(method: str | None, key: str | None, asked: dict[str, str | bool]) -> About | None:
    """The facts of the named method in the form that is asked for; without any key, in the form that needs none."""
    if method is None:
        return None
    about = methods.about(method).serving(parsed("reveal", method, asked))
    if key is None and not inputs.key_of_environment():
        return about.keyless() or about
    return about


def _key_for(key: str | None, keyless: bool) -> list[str]:
    if keyless:
        if key is not None:
            raise UsageError("this method takes no key in this form", "leave --key out")
        return []
    return [key] if key is not None else inputs.key_of_environment()
