"""The signature of a function -> options and arguments of its command."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import click
import pytest

from stegcli.cli.parameters import argument, option, parameter


def declared(
    files: Annotated[list[str] | None, argument(help="Files.")] = None,
    share: Annotated[float, option(help="A share.", min=0, max=1)] = 0.5,
    out_dir: Annotated[Path | None, option("-o", "--out", help="A folder.")] = None,
    loud: Annotated[bool, option("--loud", help="A flag.")] = False,
    steps: Annotated[list[int] | None, option(help="Numbers.", complete=lambda start: [start + "0"])] = None,
) -> None: ...


PARAMETERS = [parameter(p) for p in inspect.signature(declared, eval_str=True).parameters.values()]


def parsed(*words: str) -> dict[str, Any]:
    return click.Command(name="any", params=PARAMETERS).make_context("any", list(words)).params


def test_defaults() -> None:
    assert parsed() == {"files": None, "share": 0.5, "out_dir": None, "loud": False, "steps": None}


def test_values_have_the_types_of_the_signature() -> None:
    found = parsed("a", "--share", "1", "b", "-o", "x", "--loud", "--steps", "1", "--steps", "2")
    assert found == {"files": ["a", "b"], "share": 1.0, "out_dir": Path("x"), "loud": True, "steps": [1, 2]}


@pytest.mark.parametrize("words", [("--share", "1.1"), ("--share", "x"), ("--steps", "1.5"), ("--loud=yes",)])
def test_wrong_values(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        parsed(*words)


def test_a_parameter_without_a_default_is_required() -> None:
    def needs(file: Annotated[str, argument(help="A file.")], key: Annotated[str, option(help="A key.")]) -> None: ...

    found = inspect.signature(needs, eval_str=True, locals=locals(), globals=globals()).parameters.values()
    assert [parameter(p).required for p in found] == [True, True]
    assert not any(p.required for p in PARAMETERS)


def test_completion_offers_the_words_or_else_files() -> None:
    context = click.Context(click.Command(name="any", params=PARAMETERS))
    offered = {p.name: [(i.type, i.value) for i in p.shell_complete(context, "1")] for p in PARAMETERS}
    assert offered["steps"] == [("plain", "10")]
    assert offered["files"] == offered["out_dir"] == [("file", "1")]
