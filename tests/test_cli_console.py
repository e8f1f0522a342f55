"""What goes to which stream."""

from __future__ import annotations

import errno
import io
import json
import sys

import pytest

from stegcli.cli import console
from stegcli.errors import FileError, StegoError, UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_messages_are_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("größe 3x4")
    console.say("a\nb\x1b[1m\ttab")
    assert capsys.readouterr() == ("", "stego: größe 3x4\nstego: a\\nb\\x1b[1m\\ttab\n")


def test_errors_bring_their_hint(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain(UsageError("no key"))
    console.complain(UsageError("no key", "give one"), about="a.png")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["stego: error: no key", "stego: error: a.png: no key", "stego: hint: give one"]


def test_a_closed_standard_error_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Closed())
    console.say("unheard")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (ValueError("odd.\nmore"), "internal fault: ValueError: odd"),
        (KeyError(), "internal fault: KeyError"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_faults_are_one_line(fault: Exception, message: str) -> None:
    error = console.as_fault(fault)
    assert (str(error), error.exit_code) == (message, 1)
    assert type(error) is StegoError


def test_json_is_one_line_of_json_proper(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit({"a": float("nan"), "b": float("inf"), "c": 1.5, "d": "\n", "e": None})
    console.emit({"f": True}, to_stderr=True)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": None, "b": None, "c": 1.5, "d": "\n", "e": None}
    assert json.loads(err) == {"f": True}


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("hiding", quiet=False) as tick:
        tick(0.5, 3)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_with_the_time_left_on_a_terminal(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with console.progress("hiding", quiet) as tick:
        tick(0.25, 3725)
        tick(0.5, float("inf"))
        tick(0.75, 61)
    shown = stderr.getvalue()
    assert ("hiding" in shown and "75 %" in shown and "0:01:01 left" in shown) != quiet


def test_tables_keep_long_cells_whole(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("things", ["name", "text"], [["a", "word " * 50]])
    out, err = capsys.readouterr()
    assert out.count("word") == 50
    assert err == ""


def test_data_that_reaches_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Closed())
    for write in (
        lambda: console.show("text"),
        lambda: console.emit({"a": 1}),
        lambda: console.table("things", ["name"], [["a"]]),
    ):
        with pytest.raises(FileError, match="cannot write standard output"):
            write()
