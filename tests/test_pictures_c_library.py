"""Files by path for libraries in C, and their messages."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stegcli.disk import descriptors
from stegcli.pictures import c_library


@pytest.mark.parametrize("in_memory", [True, False])
def test_scratch_holds_bytes_and_is_gone_afterwards(in_memory: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with c_library.scratch(b"before") as path:
        assert path.read_bytes() == b"before"
        path.write_bytes(b"after, and longer")
        assert path.read_bytes() == b"after, and longer"
        if not in_memory:
            assert path.parent.stat().st_mode & 0o077 == 0
    assert not path.exists()


def test_known_lines_are_caught_and_python_still_speaks(capfd: pytest.CaptureFixture[str]) -> None:
    with c_library.quiet(("Corrupt",)) as lines:
        os.write(2, b"Corrupt JPEG data\nanother library's line\n")
        print("a line of ours", file=sys.stderr)
        assert lines == []
    assert lines == ["Corrupt JPEG data"]
    assert capfd.readouterr().err == "a line of ours\n"


def test_threads_do_not_turn_standard_error_away_for_good(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int) -> list[str]:
        with descriptors.libraries_silenced(), c_library.quiet(("line",)) as lines:
            os.write(2, f"line {number}\n".encode())
        return lines

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [[f"line {n}"] for n in range(40)]
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"


def test_standard_error_is_back_after_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="inside"), c_library.quiet(("x",)):
        raise RuntimeError("inside")
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"


def test_works_with_closed_standard_error(tmp_path: Path) -> None:
    """Else the library's messages would go into whatever file gets the free number."""
    script = (
        "import os, sys; os.close(2); from stegcli.pictures import c_library\n"
        "with c_library.quiet(('known',)) as lines: os.write(2, b'known\\n')\n"
        "try: os.fstat(2)\n"
        "except OSError: print(lines)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['known']\n"
