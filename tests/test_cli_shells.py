"""Completion: the script is written where the shell finds it, and makes the shell complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import ok, refused


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("shell", "script", "start"),
    [
        ("bash", ".bash_completions/stego.sh", ".bashrc"),
        ("zsh", ".zfunc/_stego", ".zshrc"),
        ("fish", ".config/fish/completions/stego.fish", None),
    ],
)
def test_completion_is_installed_once(
    shell: str, script: str, start: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    if start is not None:
        (home / start).write_text("alias ll='ls -l'\n")
    for _ in range(2):
        assert script in ok("--install-completion").err
    assert (home / script).read_text() + "\n" == ok("--show-completion").out.decode()
    assert f"_STEGO_COMPLETE={shell}_complete" in (home / script).read_text()
    if start is not None:
        lines = (home / start).read_text().split("\n")
        assert lines[0] == "alias ll='ls -l'"
        assert len([line for line in lines if line]) == 2


def test_bash_completes_with_the_script(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")
    ok("--install-completion")
    (home / "stego").write_text(f'#!/bin/sh\nexec {sys.executable} -m stegcli "$@"\n')
    (home / "stego").chmod(0o755)
    code = (
        "source ~/.bashrc; COMP_WORDS=(stego hide --method l); COMP_CWORD=3; _stego_completion stego; echo $COMPREPLY"
    )
    path = f"{home}:{os.environ['PATH']}"
    ended = subprocess.run(["bash", "-c", code], capture_output=True, text=True, env=os.environ | {"PATH": path})
    assert ended.stdout == "lossless-inn\n", ended.stderr


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_other_shells_are_refused(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    refused(2, option, says="no completion for the shell 'tcsh'")


def test_a_home_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")
    (home / ".bash_completions").write_text("a file")
    refused(3, "--install-completion", says="cannot install completion in")
