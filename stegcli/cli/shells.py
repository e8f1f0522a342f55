"""The script by which the user's shell completes what is typed: `--show-completion` and `--install-completion`."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from stegcli.cli.complete import VARIABLE
from stegcli.cli.console import say
from stegcli.errors import FileError, UsageError

PLACES = {
    "bash": (".bash_completions/stego.sh", ".bashrc", "source ~/.bash_completions/stego.sh"),
    "zsh": (".zfunc/_stego", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/stego.fish", "", ""),
}
"""Shell -> the file for its script, and the file and line that load it if needed; all in the home folder."""


def script() -> str:
    """Raises UsageError if there is none for the user's shell."""
    made = get_completion_class(_shell())
    assert made is not None
    return made(click.Command("stego"), {}, "stego", VARIABLE).source()


def install() -> None:
    """Write the script to where the shell finds it. Raises UsageError as `script`, and FileError."""
    target, start, line = PLACES[_shell()]
    path, text = Path.home() / target, script()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if start:
            _add_line(Path.home() / start, line)
    except OSError as error:
        raise FileError(f"cannot install completion in {path}: {(error.strerror or str(error)).lower()}") from error
    say(f"wrote {path}, which the next {_shell()} loads")


def _shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in PLACES:
        raise UsageError(f"no completion for the shell {name!r}", f"set SHELL to {', '.join(PLACES)}")
    return name


def _add_line(path: Path, line: str) -> None:
    """Add a line to the end of a file, once."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        path.write_text(f"{text}\n{line}\n", encoding="utf-8")
