"""Closed descriptors, paths that mean one, and libraries that write to standard error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stegcli.disk import descriptors


def process(code: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = ["bash", "-c", f'exec "$0" -c "$CODE" {shell}', sys.executable]
    whole = {k: v for k, v in os.environ.items() if k != "STEGO_DEBUG"} | environment
    lines = f"import os, sys, threading\nfrom stegcli.disk import descriptors\n{code}"
    return subprocess.run(command, input=b"", capture_output=True, env=whole | {"CODE": lines}, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_taken_so_that_no_file_gets_their_number(closed: str, tmp_path: Path) -> None:
    code = f"""
descriptors.reopen_closed()
taken = [os.readlink(f"/proc/self/fd/{{n}}") for n in range(3)]
with open({str(tmp_path / "file")!r}, "w") as file:
    os.write(2, b"a library")
    file.write(f"{{file.fileno() > 2}} {{taken.count(os.devnull)}}")
"""
    process(code, closed)
    assert (tmp_path / "file").read_text() == f"True {closed.count('&')}"


def test_open_descriptors_stay() -> None:
    ended = process("descriptors.reopen_closed()\nprint('out')\nprint('err', file=sys.stderr)")
    assert (ended.stdout, ended.stderr) == (b"out\n", b"err\n")


def test_paths_that_mean_a_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").symlink_to("/dev/stderr")
    Path("two").symlink_to("one")
    Path("circle").symlink_to("circle")
    Path("file").write_bytes(b"")
    meant = {"/dev/stdin": 0, "/dev/fd/12": 12, "/proc/self/fd/3": 3, "/proc/self/../self/fd/3": 3, "one": 2, "two": 2}
    for name, fd in meant.items():
        assert descriptors.behind(name) == fd
    for name in ("file", "circle", "absent", "/dev/fd", "/dev/fd/x", "/dev/fd/1/x", "/proc/1/fd/1", "", "\0"):
        assert descriptors.behind(name) is None


NOISE = """
def noise(text):
    os.write(2, text)

with descriptors.libraries_silenced():
    noise(b"raw 1\\n")
    print("ours 1", file=sys.stderr)
    with descriptors.libraries_silenced():
        noise(b"raw 2\\n")
    noise(b"raw 3\\n")
    print("ours 2", file=sys.stderr)
noise(b"after\\n")
print("ours 3", file=sys.stderr)
print(len(os.listdir("/proc/self/fd")))
"""


def test_libraries_are_silent_and_we_are_not() -> None:
    before = process("print(len(os.listdir('/proc/self/fd')))").stdout
    ended = process(NOISE)
    assert ended.stderr.splitlines() == [b"ours 1", b"ours 2", b"after", b"ours 3"]
    assert ended.stdout == before


def test_everything_is_heard_by_who_asks_for_it() -> None:
    said = process(NOISE, STEGO_DEBUG="1").stderr.splitlines()
    assert {b"raw 1", b"raw 2", b"raw 3", b"ours 1"} <= set(said)


def test_silence_with_standard_error_closed() -> None:
    code = "with descriptors.libraries_silenced():\n    print('inside')\nprint(sys.stderr)"
    assert process(code, "2>&-").stdout == b"inside\nNone\n"


THREADS = """
def work(n):
    for _ in range(200):
        with descriptors.libraries_silenced():
            os.write(2, b"raw\\n")
            sys.stderr.write(f"ours\\n")

threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
os.write(2, b"after\\n")
"""


def test_threads_are_silent_together() -> None:
    lines = process(THREADS).stderr.splitlines()
    assert b"raw" not in lines
    assert lines.count(b"ours") == 800
    assert lines[-1] == b"after"
