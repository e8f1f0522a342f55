"""What goes to which stream."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from stegcli import progress
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
    with console.bar("hiding", quiet=False) as tick:
        tick(0.5, 3)
    assert capsys.readouterr() == ("", "")


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error as a terminal of 100 columns."""
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return stderr


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_with_the_time_left_on_a_terminal(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = terminal(monkeypatch)
    with console.bar("hiding", quiet) as tick:
        tick(0.25, 3725)
        tick(0.5, float("inf"))
        tick(0.75, 61)
    shown = stderr.getvalue()
    assert ("hiding" in shown and "75%" in shown and "0:01:01 left" in shown) != quiet


@pytest.mark.parametrize(("patience", "quiet", "shown"), [(0.05, False, True), (60, False, False), (0.05, True, False)])
def test_work_that_takes_long_gets_a_bar(
    patience: float, quiet: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = terminal(monkeypatch)
    monkeypatch.setattr(console, "PATIENCE", patience)
    with console.working("hiding", quiet):
        progress.tell(1, 4)
        time.sleep(0.3)
        progress.tell(2, 4)
        time.sleep(0.3)
    assert ("hiding" in stderr.getvalue() and "50%" in stderr.getvalue() and "left" in stderr.getvalue()) == shown
    assert shown or not stderr.getvalue()


def fail_after(seconds: float) -> None:
    time.sleep(seconds)
    raise UsageError("no")


def test_a_bar_goes_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr, threads = terminal(monkeypatch), threading.active_count()
    monkeypatch.setattr(console, "PATIENCE", 0.05)
    with pytest.raises(UsageError), console.working("hiding", quiet=False):
        fail_after(0.2)
    before = stderr.getvalue()
    time.sleep(0.2)
    assert stderr.getvalue() == before
    assert threading.active_count() == threads


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


# Closed streams, as real processes have them


def process(code: str, shell: str = "", **options: Any) -> subprocess.CompletedProcess[bytes]:
    lines = f"import sys\nfrom stegcli.cli import console\nfrom stegcli.errors import UsageError\n{code}"
    command = ["bash", "-c", f'exec "$0" -c "$CODE" {shell}', sys.executable]
    return subprocess.run(
        command, env=os.environ | {"CODE": lines, "PYTHONUNBUFFERED": ""}, capture_output=True, check=False, **options
    )


def test_with_standard_error_closed_nothing_is_said_and_nothing_goes_wrong() -> None:
    code = """
console.say("unheard")
console.complain(UsageError("a", "b"))
console.emit({"a": 1}, to_stderr=True)
with console.bar("hiding", quiet=False) as tick:
    tick(0.5, 1)
try:
    1 / 0
except ZeroDivisionError:
    console.trace()
console.show("data")
"""
    ended = process(f"import os\nos.environ['STEGO_DEBUG'] = '1'{code}", "2>&-")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"data\n", b"")


@pytest.mark.parametrize("call", ["show('text')", "emit({'a': 1})", "table('t', ['a'], [['b']])", "check_stdout()"])
def test_closed_standard_output_is_an_error_to_be_told(call: str) -> None:
    code = f"""
from stegcli.errors import FileError
try:
    console.{call}
except FileError as error:
    console.complain(error)
    console.leave(error.exit_code)
"""
    ended = process(code, ">&-")
    assert ended.stderr == b"stego: error: cannot write standard output: it is closed\n"
    assert ended.returncode == 3


@pytest.mark.parametrize(("shell", "status"), [("> /dev/full", 3), (">&-", 0), ("", 0)])
def test_what_standard_output_still_held_counts(shell: str, status: int) -> None:
    ended = process("if sys.stdout:\n    sys.stdout.write('rest')\nconsole.leave(0)", shell)
    assert (ended.returncode, ended.stderr) == (status, b"")


def test_threads_at_work_do_not_hold_up_an_interrupted_end() -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nconsole.leave(130)"
    assert process(code, timeout=30).returncode == 130


# Passphrases


ASK = """
from stegcli.errors import UsageError
try:
    console.show(repr(console.ask_passphrase(twice=sys.argv[1:] == ["twice"])))
except UsageError as error:
    console.complain(error)
"""


def on_a_terminal(typed: bytes, *argv: str) -> tuple[str, str]:
    """Type on a terminal -> what it showed, and what the process said that asked."""
    code = f"import sys\nfrom stegcli.cli import console{ASK}"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code, *argv])
    shown = b""
    for line in typed.splitlines(keepends=True):
        while not shown.rstrip(b" ").endswith(b":"):
            shown += os.read(terminal, 1000)
        os.write(terminal, line)
        shown += b"|"
    with contextlib.suppress(OSError):  # the terminal's way of saying that its last user has gone
        while more := os.read(terminal, 1000):
            shown += more
    os.waitpid(child, 0)
    os.close(terminal)
    prompts, _, said = shown.decode().rpartition("|")
    return prompts, said.strip()


def test_a_passphrase_is_asked_for_without_echo() -> None:
    prompts, said = on_a_terminal("grüße\n".encode())
    assert prompts == "passphrase: "
    assert said == "'grüße'"


def test_a_passphrase_that_makes_a_key_is_asked_for_twice() -> None:
    prompts, said = on_a_terminal(b"horse\nhorse\n", "twice")
    assert "again" in prompts
    assert "horse" not in prompts
    assert said == "'horse'"
    assert "the two passphrases differ" in on_a_terminal(b"horse\nhouse\n", "twice")[1]
    assert "the passphrase is empty" in on_a_terminal(b"\n", "twice")[1]
    assert "no passphrase was given" in on_a_terminal(b"\x04\n")[1]


@pytest.mark.parametrize("shell", ["", "<&-", "< /dev/null", "2>&-"])
def test_without_a_terminal_there_is_nobody_to_ask(shell: str) -> None:
    ended = process(ASK, shell, input=b"horse\n", start_new_session=True)
    assert ended.stdout == b""
    assert shell == "2>&-" or ended.stderr.startswith(b"stego: error: no terminal to ask for the passphrase\n")
