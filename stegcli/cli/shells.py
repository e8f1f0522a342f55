"""`--show-completion` and `--install-completion`: the script by which a shell completes what the user types."""

from __future__ import annotations

import os
from pathlib import Path

import rich_click as click
from click.shell_completion import get_completion_class

from stegcli.cli.complete import VARIABLE
from stegcli.cli.console import say, show
from stegcli.errors import FileError, UsageError

PLACES = {
    "bash": (".bash_completions/stego.sh", ".bashrc", "source ~/.bash_completions/stego.sh"),
    "zsh": (".zfunc/_stego", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/stego.fish", None, ""),
}
"""Shell -> the file for its script, and the file and line that load the script. All are in the home folder."""


def show_script() -> None:
    """Print the script of the user's shell."""
    show(_script(_shell()))


def install_script() -> None:
    """Write the script of the user's shell to where the shell finds it. Raises FileError if that fails."""
    shell = _shell()
    target, start, line = PLACES[shell]
    path = Path.home() / target
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_script(shell), encoding="utf-8")
        if start is not None:
            _add_line(Path.home() / start, line)
    except OSError as error:
        raise FileError(f"cannot install completion: {error}") from error
    say(f"wrote {path}; completion works in the next {shell}")


def _shell() -> str:
    """The name of the user's shell. Raises UsageError if there is no script for it."""
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in PLACES:
        raise UsageError(f"no completion for the shell {shell!r}", f"set SHELL to one of {', '.join(PLACES)}")
    return shell


def _script(shell: str) -> str:
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"click has no completion for {shell}")
    return found(click.Command("stego"), {}, "stego", VARIABLE).source()


def _add_line(path: Path, line: str) -> None:
    """Add a line to the end of a file, once."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
