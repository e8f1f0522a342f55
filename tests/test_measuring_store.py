"""What is kept between runs comes back as it was; what is damaged counts as missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stegcli.errors import FileError
from stegcli.measuring.store import Store, digest
from stegcli.pairs import Made


@pytest.mark.parametrize("psnr", [None, 51.25])
def test_a_pair_comes_back(tmp_path: Path, psnr: float | None) -> None:
    made = Made(b"stego", {"covers": b"one", "real pictures": b"\0other"}, 77, psnr)
    Store(tmp_path / "kept").keep_pair("a", made)
    assert Store(tmp_path / "kept").pair("a") == made
    assert Store(tmp_path / "kept").pair("b") is None


def test_without_a_folder_nothing_is_kept() -> None:
    store = Store(None)
    store.keep_pair("a", Made(b"stego", {}, 1))
    assert store.pair("a") is None


def test_a_damaged_file_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_pair("a", Made(b"stego", {}, 1))
    whole = (tmp_path / "a.npz").read_bytes()
    for damaged in (b"", whole[:40], b"PK" + bytes(100)):
        (tmp_path / "a.npz").write_bytes(damaged)
        assert store.pair("a") is None
    (tmp_path / "b.npz").write_bytes(b"x")
    store.keep("b", {"other": np.zeros(1)})
    assert store.pair("b") is None


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="cannot make the folder"):
        Store(tmp_path / "file" / "kept")


def test_names_depend_on_every_fact() -> None:
    names = {digest(*facts) for facts in ((), (1,), (1, 2), ("1",), (b"1",), (b"1", b""), ([1, 2],), (12,))}
    assert len(names) == 8
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
