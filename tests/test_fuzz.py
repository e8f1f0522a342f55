"""Damaged pictures, keys and weights end as a picture, key or weights, or as a StegoError. More: `fuzz/run.py`."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from fuzz import run

from stegcli.errors import StegoError

NESTED = b"[" * 100_000
FACTS = {"method": "glow2", "config": "{}", "training": "{}"}


def weights(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def weights_of(**header: object) -> bytes:
    return weights(json.dumps({"__metadata__": FACTS} | header).encode())


HOSTILE = {
    "nested header": weights(b'{"__metadata__":' + NESTED),
    "nested configuration": weights_of(__metadata__=FACTS | {"config": NESTED.decode()}),
    "endless header": weights(b"{}", 2**63),
    "header that is a list": weights(b"[1, 2]"),
    "facts that are a number": weights_of(__metadata__=7),
    "odd type": weights_of(a={"dtype": "F7", "shape": [2], "data_offsets": [0, 8]}),
    "endless shape": weights_of(a={"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}),
    "negative offsets": weights_of(a={"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_weights_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(StegoError):
        run.read_weights(HOSTILE[kind], tmp_path)


@pytest.mark.parametrize("shape", ["()", "(1,)", "(99999999999999,)", "(-1,)", "(" * 3000])
@pytest.mark.parametrize("kind", ["'<f8'", "'|O'", "[('version', '<u2')]", "[" * 3000, "'<M8[s]'"])
def test_hostile_keys_are_refused(kind: str, shape: str, tmp_path: Path) -> None:
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}".encode()
    with pytest.raises(StegoError):
        run.read_key(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(64), tmp_path)


def test_two_thousand_mutations(tmp_path: Path) -> None:
    outcomes, slowest = run.run(range(2000), seed=0, folder=tmp_path)
    assert sum(outcomes.values()) == 2000
    for target in run.TARGETS:
        assert outcomes[f"{target} refused"] > 100
        assert outcomes[f"{target} read"] > 0
    assert slowest < 10


def test_mutations_are_the_same_every_time(tmp_path: Path) -> None:
    first = run.run(range(40), seed=1, folder=tmp_path)[0]
    assert first == run.run(range(40), seed=1, folder=tmp_path)[0]
    assert first != run.run(range(40), seed=2, folder=tmp_path)[0]
