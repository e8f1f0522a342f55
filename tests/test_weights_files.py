"""Weights files that a user names: hashed and parsed from the same bytes, and never trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from stegcli import weights
from stegcli.errors import WeightsError

METHOD = "lossless-inn"


def packed(**changes: str) -> bytes:
    facts = {"method": METHOD, "config": "{}", "training": "{}"} | changes
    return save({"a": np.zeros(1, np.float32)}, facts)


def test_a_file_that_changes_after_it_was_hashed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(packed())
    named = weights.identity(METHOD, str(path))
    assert weights.resolve(METHOD, named, str(path)) == str(path)
    path.write_bytes(packed(training='{"another": 1}'))
    with pytest.raises(WeightsError, match="are not those the key was made for"):
        weights.load(METHOD, str(path), named=named)
    reads: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: reads.append(self) or real(self))
    with pytest.raises(WeightsError, match="do not fit"):
        weights.load(METHOD, str(path), named=weights.identity(METHOD, str(path)))
    assert reads == [path, path]  # the key's name of it, which the test asked for, and loading


@pytest.mark.parametrize("field", ["config", "training"])
@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, "{", "[]", "1", "null", '"x"'])
def test_odd_metadata_are_damage(field: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(packed(**{field: text}))
    with pytest.raises(WeightsError, match="not a weights file of stego, or is damaged"):
        weights.load(METHOD, str(tmp_path / "own.safetensors"))


@pytest.mark.parametrize("header", ["[" * 200_000, '{"__metadata__":' * 50_000, "{}", "[]", "3", ""])
def test_odd_headers_are_damage(header: str, tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(WeightsError, match="not a weights file of stego, or is damaged"):
        weights.load(METHOD, str(tmp_path / "own.safetensors"))
