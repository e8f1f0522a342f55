"""Passphrases: what they become, and files that open with one only."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from stegcli import files
from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.keys import passphrase, record, tokens
from stegcli.keys.key import Key
from stegcli.keys.passphrase import COSTS, Costs, is_wrapped, stretch, unwrap, wrap

CHEAP = Costs(64, 1, 2)
SALT = bytes(range(16))
KEY = Key("lossless-inn", "coset-3", bytes(range(32)))


def argon2id(word: bytes, salt: bytes, memory: int, passes: int, lanes: int) -> bytes:
    kdf = passphrase.Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    return kdf.derive(word)


def test_it_is_argon2id() -> None:
    """The first vector is of the reference implementation (phc-winner-argon2, test.c, version 0x13)."""
    expected = "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
    assert argon2id(b"password", b"somesalt", 256, 2, 1).hex() == expected
    assert stretch("password", SALT, Costs(256, 2, 1)) == argon2id(b"password", SALT, 256, 2, 1)
    assert stretch("Gru\u0308n", SALT, Costs(64, 1, 4)) == argon2id(b"Gr\xc3\xbcn", SALT, 64, 1, 4)


def test_passphrases_that_look_the_same_are_the_same() -> None:
    composed, decomposed = "Grüße", "Gru\u0308ße"
    assert composed != decomposed
    assert stretch(composed, SALT, CHEAP) == stretch(decomposed, SALT, CHEAP)
    assert len({stretch(p, SALT, CHEAP) for p in ("Grüße", "grüße", "Grusse", " Grüße", "")}) == 5
    assert stretch("a", SALT, CHEAP) != stretch("a", bytes(16), CHEAP)
    assert len({stretch("a", SALT, Costs(*c)) for c in ((64, 1, 2), (64, 2, 2), (65, 1, 2), (64, 1, 1))}) == 4


def test_the_costs_that_are_used_are_not_small() -> None:
    assert COSTS.memory >= 1 << 18
    assert COSTS.passes >= 3
    assert COSTS.bearable


def test_a_salt_of_another_length() -> None:
    with pytest.raises(ValueError, match="salt has 3 bytes"):
        stretch("x", b"abc", CHEAP)


def test_without_argon2id_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(**_: object) -> None:
        raise UnsupportedAlgorithm("no")

    monkeypatch.setattr(passphrase, "Argon2id", lacking)
    with pytest.raises(FileError, match="lacks Argon2id"):
        stretch("x", SALT, CHEAP)


# Wrapped files


def test_what_is_wrapped_opens_with_its_passphrase_only() -> None:
    wrapped = wrap(KEY.to_bytes(), "Grüße", CHEAP)
    assert is_wrapped(wrapped)
    assert not is_wrapped(KEY.to_bytes())
    assert unwrap(wrapped, "Gru\u0308ße", "k") == KEY.to_bytes()
    for name in (b"lossless", b"coset", KEY.secret):
        assert name not in wrapped
    with pytest.raises(FileError, match="the passphrase does not open key k"):
        unwrap(wrapped, "grüße", "k")
    assert wrap(KEY.to_bytes(), "Grüße", CHEAP) != wrapped


def test_every_byte_of_a_wrapped_file_counts() -> None:
    wrapped = wrap(KEY.to_bytes(), "x", CHEAP)
    start = 10 + int.from_bytes(wrapped[8:10], "little")
    for place in range(start, len(wrapped), 7):
        damaged = bytearray(wrapped)
        damaged[place] ^= 1
        with pytest.raises(FileError):
            unwrap(bytes(damaged), "x", "k")


@pytest.mark.parametrize("field", ["memory", "passes", "lanes"])
@pytest.mark.parametrize("value", [0, 2**32 - 1])
def test_costs_that_nobody_should_bear_are_not_borne(field: str, value: int) -> None:
    held = record.parse(wrap(b"", "x", CHEAP), "k", passphrase.FIELDS, ("sealed", "|u1", 1)).copy()
    held[field] = value
    with pytest.raises(FileError, match="damaged"):
        unwrap(record.to_bytes(held), "x", "k")


def test_a_wrapped_key_is_loaded_by_asking(tmp_path: Path) -> None:
    path = tmp_path / "key.npy"
    path.write_bytes(wrap(KEY.to_bytes(), "x", CHEAP))
    assert keys.load(path, lambda: "x") == KEY
    assert tokens.load(path, lambda: "x") == (KEY, None)
    with pytest.raises(FileError, match="is wrapped by a passphrase"):
        keys.load(path)
    asked: list[int] = []
    KEY.save(tmp_path / "plain.npy")
    assert keys.load(tmp_path / "plain.npy", lambda: asked.append(1) or "x") == KEY
    assert asked == []


def test_a_wrapped_token(tmp_path: Path) -> None:
    z = np.random.default_rng(0).normal(size=(1, 40, 50)).astype(np.float32)
    (tmp_path / "z.npy").write_bytes(wrap(tokens.to_bytes(KEY, z), "x", CHEAP))
    key, back = tokens.load(tmp_path / "z.npy", lambda: "x")
    assert key == KEY
    assert (back == z).all()


def test_a_key_wrapped_twice_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "key.npy").write_bytes(wrap(wrap(KEY.to_bytes(), "x", CHEAP), "x", CHEAP))
    with pytest.raises(FileError, match="damaged"):
        keys.load(tmp_path / "key.npy", lambda: "x")


# Headers

HEADERS = [
    "", "{", "0", "[]", "{}", "()", "(" * 900, "[" * 900, "-" * 1500, "{'descr': 1}", "1 if 1 else 2", "open('x')",
    "{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
    "{'descr': [], 'fortran_order': False, 'shape': ()}",
    "{'descr': [()], 'fortran_order': False, 'shape': ()}",
    "{'descr': [1, 2], 'fortran_order': False, 'shape': ()}",
    "{'descr': [('version', '<u2')], 'fortran_order': False, 'shape': ()}",
    "{'descr': [('version', 'O')], 'fortran_order': False, 'shape': ()}",
    "{'descr': [('version', '<M8[99999999999s]')], 'fortran_order': True, 'shape': ()}",
]  # fmt: skip
Z_SHAPES = ["(1, 2)", "(0, 1, 1)", "(-1, 1, 1)", "(1, 1, 1.5)", "(True, 1, 1)", "(99999, 99999, 99999)", "1", "'x'",
            "(9" + "9" * 300 + ", 1, 1)"]  # fmt: skip


def with_header(text: str, rest: bytes = bytes(600)) -> bytes:
    return record.MAGIC + len(text).to_bytes(2, "little") + text.encode() + rest


def refused(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for load in (keys.load, tokens.load):
        with pytest.raises(FileError, match=r"key\.npy"):
            load(path, lambda: "x")
    assert not is_wrapped(data)


@pytest.mark.parametrize("text", HEADERS)
def test_odd_headers(text: str, tmp_path: Path) -> None:
    refused(with_header(text), tmp_path / "key.npy")


@pytest.mark.parametrize("shape", Z_SHAPES)
@pytest.mark.parametrize("kind", ["'<f4'", "'O'", "'<c8'", "'<M8[s]'", "[('z', '<f4')]", "3"])
def test_odd_tokens(shape: str, kind: str, tmp_path: Path) -> None:
    fields = ", ".join(map(repr, keys.FIELDS)) + f", ('z', {kind}, {shape})"
    head = KEY.to_record().tobytes()
    refused(with_header(f"{{'descr': [{fields}], 'fortran_order': False, 'shape': ()}}", head), tmp_path / "key.npy")


def test_mutations_give_a_key_or_an_error_that_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "stretch", lambda *_: bytes(32))  # costs that a mutation raised need not be borne
    rng, whole = random.Random(1), 0
    z = np.ones((1, 4, 4), np.float32)
    seeds = [KEY.to_bytes(), tokens.to_bytes(KEY, z), wrap(KEY.to_bytes(), "x", Costs(16, 1, 1))]
    for n in range(2000):
        data = bytearray(seeds[n % 3])
        for _ in range(rng.choice([1, 2, 5])):
            data[rng.randrange(rng.choice([10, 300, len(data)]))] = rng.randrange(256)
        cut = bytes(data[: rng.choice([len(data)] * 3 + [rng.randrange(len(data))])])
        monkeypatch.setattr(files, "read", lambda *_, cut=cut, **__: cut)
        try:
            tokens.load("key.npy", lambda: "x")
            whole += 1
        except FileError:
            continue
    assert 10 < whole < 1500
