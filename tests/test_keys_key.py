"""Key files, derivation, and the numbers that sender and receiver must agree on for ever."""

from __future__ import annotations

import hashlib
import hmac
import io
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from scipy import stats

from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.keys.passphrase import COSTS, Costs, stretch
from stegcli.keys.stream import Stream, inverse_normal

SEED = bytes(range(32))
CHEAP = Costs(64, 1, 2)


# Key files


def test_file_round_trip(key: Key, tmp_path: Path) -> None:
    key.save(tmp_path / "key.npy")
    assert keys.load(tmp_path / "key.npy") == key


def test_file_keeps_salt(tmp_path: Path) -> None:
    salted = Key("lossless-inn", "coset-1", SEED, salt=bytes(range(16)))
    salted.save(tmp_path / "key.npy")
    assert keys.load(tmp_path / "key.npy") == salted


def test_secret_may_hold_any_byte(tmp_path: Path) -> None:
    for secret in (bytes(32), b"\xff" * 32, bytes(31) + b"\x01", b"\x01" + bytes(31)):
        key = Key("m", "w", secret)
        key.save(tmp_path / "key.npy", force=True)
        assert keys.load(tmp_path / "key.npy") == key


def test_file_is_private(key: Key, tmp_path: Path) -> None:
    key.save(tmp_path / "key.npy")
    assert (tmp_path / "key.npy").stat().st_mode & 0o777 == 0o600


def test_file_is_a_plain_npy_record(key: Key) -> None:
    record = np.load(io.BytesIO(key.to_bytes()), allow_pickle=False)
    assert record["method"].item() == b"lossless-inn"
    assert record["weights"].item() == b"coset-1"
    assert record["secret"].tobytes() == SEED
    assert record["version"] == 2
    assert record["kdf"].item() == b"random"


def test_file_is_not_replaced_unasked(key: Key, tmp_path: Path) -> None:
    path = tmp_path / "key.npy"
    key.save(path)
    other = keys.generate("lossless-inn", "coset-1")
    with pytest.raises(FileError, match="exists"):
        other.save(path)
    assert keys.load(path) == key
    other.save(path, force=True)
    assert keys.load(path) == other
    assert path.stat().st_mode & 0o777 == 0o600


def test_secret_is_not_shown(key: Key) -> None:
    assert "secret" not in repr(key)
    assert SEED.hex() not in repr(key)


def test_generated_keys_differ() -> None:
    assert keys.generate("m", "w").secret != keys.generate("m", "w").secret
    assert len(keys.generate("m", "w").secret) == 32


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, version=np.uint16(1))
    return buffer.getvalue()


def record(**changes: object) -> bytes:
    array = np.load(io.BytesIO(Key("m", "w", SEED).to_bytes()), allow_pickle=False)
    for name, value in changes.items():
        array[name] = value
    return npy(array)


HEADER = npy(np.zeros(3))
NOT_KEYS = {
    "empty": b"",
    "text": b"this is no key\n",
    "only the magic": b"\x93NUMPY",
    "truncated header": record()[:60],
    "truncated data": record()[:-1],
    "unbalanced header": record().replace(b"}", b" ", 1),
    "later version of numpy": b"\x93NUMPY\x09" + record()[7:],
    "pickle": pickle.dumps({"secret": SEED}),
    "pickled npy": npy(np.array([{"secret": SEED}], dtype=object), allow_pickle=True),
    "npz": npz(),
    "damaged zip": b"PK\x03\x04" + bytes(100),
    "other array": npy(np.arange(7)),
    "array of records": npy(np.zeros(2, keys.RECORD)),
    "other record": npy(np.zeros((), [("version", "<u2"), ("secret", "u1", (32,))])),
    "huge shape": HEADER.replace(b"(3,)", b"(9" + b"9" * 14 + b",)"),
    "oversized": record() + bytes(5000),
    "wrong version": record(version=3),
    "method not UTF-8": record(method=b"\xff\xfe"),
    "unknown derivation": record(kdf=b"md5"),
    "two groups": record(shares=2),
    "a group and a passphrase": record(kdf=b"argon2id", shares=1),
}


@pytest.mark.parametrize("data", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_what_is_no_key_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.npy"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"key\.npy"):
        keys.load(path)


def test_pickle_in_a_key_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "a.npy").write_bytes(npy(np.array([Trap()], dtype=object), allow_pickle=True))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(FileError):
            keys.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_later_version_is_named(tmp_path: Path) -> None:
    for version in (1, 3, 65535):
        (tmp_path / "key.npy").write_bytes(record(version=version))
        with pytest.raises(FileError, match=f"has format {version}, this stego reads 2"):
            keys.load(tmp_path / "key.npy")


def test_format_1_is_named(tmp_path: Path) -> None:
    """As it was before anything was published; only its version is read."""
    fields = [("version", "<u2"), ("method", "S32"), ("weights", "S64"), ("secret", "u1", (32,)), ("kdf", "S16"),
              ("salt", "u1", (16,))]  # fmt: skip
    held = np.zeros((), fields)
    held["version"] = 1
    (tmp_path / "key.npy").write_bytes(npy(held))
    with pytest.raises(FileError, match="has format 1, this stego reads 2"):
        keys.load(tmp_path / "key.npy")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.npy", tmp_path):
        with pytest.raises(FileError, match="cannot read key"):
            keys.load(path)


def test_random_damage_never_escapes_as_another_error(key: Key, tmp_path: Path) -> None:
    rng, path, refused = random.Random(1), tmp_path / "key.npy", 0
    for _ in range(500):
        data = bytearray(key.to_bytes())
        for _ in range(rng.choice([1, 2, 5])):
            data[rng.randrange(rng.choice([10, 256, len(data)]))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            keys.load(path)
        except FileError:
            refused += 1
    assert refused > 100


# Passphrases and derivation


def test_passphrase() -> None:
    salt = bytes(range(16))
    one = keys.from_passphrase("m", "w", "correct horse", salt, CHEAP)
    assert one == keys.from_passphrase("m", "w", "correct horse", salt, CHEAP)
    assert (one.salt, one.costs) == (salt, CHEAP)
    assert one.secret == stretch("correct horse", salt, CHEAP)
    assert keys.from_passphrase("m", "w", "correct horse", bytes(16), CHEAP).secret != one.secret
    assert keys.from_passphrase("m", "w", "battery staple", salt, CHEAP).secret != one.secret


def test_the_file_tells_what_the_passphrase_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = keys.from_passphrase("m", "w", "x", costs=CHEAP)
    made.save(tmp_path / "key.npy")
    held = np.load(tmp_path / "key.npy")
    assert (held["kdf"].item(), held["memory"], held["passes"], held["lanes"]) == (b"argon2id", 64, 1, 2)
    assert keys.load(tmp_path / "key.npy") == made
    monkeypatch.setattr(keys, "stretch", lambda *given: bytes(32) if given[2] == COSTS else b"")
    assert keys.from_passphrase("m", "w", "x").costs == COSTS


def test_passphrase_draws_a_fresh_salt() -> None:
    a, b = (keys.from_passphrase("m", "w", "x", costs=CHEAP) for _ in range(2))
    assert a.salt != b.salt
    assert a.secret != b.secret


def test_passphrase_with_wrong_salt_length() -> None:
    with pytest.raises(ValueError, match="salt has 3 bytes"):
        keys.from_passphrase("m", "w", "x", b"abc")


def hkdf_block(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 by hand, for one block of output."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_derive_is_hkdf(key: Key) -> None:
    assert key.derive("slots") == hkdf_block(SEED, b"stegcli/1/lossless-inn/slots/0")
    assert key.derive("mask", 7) == hkdf_block(SEED, b"stegcli/1/lossless-inn/mask/7")
    assert key.derive("slots").hex() == "86787b9922c0f3ba7ba90b437069207c617d44bd4dff359abb77def8865908ce"
    assert key.derive("slots", length=80)[:32] == key.derive("slots")


def test_derived_bytes_are_all_different(key: Key) -> None:
    other_method = Key("glow2", key.weights, key.secret)
    other_secret = Key(key.method, key.weights, bytes(32))
    derived = [k.derive(p, n) for k in (key, other_method, other_secret) for p in ("slots", "mask") for n in (0, 1)]
    assert len(set(derived)) == 12


def test_weights_do_not_matter_to_derivation(key: Key) -> None:
    assert Key(key.method, "another", key.secret).derive("slots") == key.derive("slots")


def test_stream_of_key(key: Key) -> None:
    assert key.stream("slots").words(2).tolist() == [0x942401EB4B9EF64D, 0x91066F3BA563BB43]
    assert key.stream("slots", 1).words(2).tolist() != key.stream("slots").words(2).tolist()


# What keys of several receivers have in common

A_KEY = Key("cs-fnns", "textures-4", SEED)


def test_keys_beside_another_draw_its_covers_and_share_nothing_else() -> None:
    one = keys.beside(A_KEY)
    two, third = keys.beside(A_KEY), keys.beside(one)
    for key in (one, two, third):
        assert (key.method, key.weights) == (A_KEY.method, A_KEY.weights)
        assert key.cover_secret() == A_KEY.cover_secret()
        assert key.cover_stream("cover", 3).bytes(99) == A_KEY.cover_stream("cover", 3).bytes(99)
    assert len({k.secret for k in (A_KEY, one, two, third)}) == 4
    assert len({k.derive("slots") for k in (A_KEY, one, two, third)}) == 4


def test_covers_differ_by_key_method_purpose_and_number() -> None:
    drawn = {k.cover_stream(p, n).bytes(32)
             for k in (A_KEY, Key("glow2", "textures-4", SEED), Key("cs-fnns", "textures-4", bytes(32)))
             for p in ("cover", "grain") for n in (0, 1)}  # fmt: skip
    assert len(drawn) == 12


def test_covers_never_change() -> None:
    group = hkdf_block(SEED, b"stegcli/1/cs-fnns/covers/0")[:16]
    assert A_KEY.cover_secret() == group
    assert group.hex() == "6b1da17bf792961a80b50af4d608cd19"
    seed = hkdf_block(group, b"stegcli/1/cs-fnns/cover/7")
    assert A_KEY.cover_stream("cover", 7).bytes(64) == Stream(seed).bytes(64)
    assert A_KEY.cover_stream("cover", 7).words(2).tolist() == [0xF84AB7EDA5F5EE97, 0x0289ACC273F976FD]
    assert keys.beside(A_KEY).cover_stream("cover", 7).words(2).tolist() == [0xF84AB7EDA5F5EE97, 0x0289ACC273F976FD]


def test_file_keeps_the_group(tmp_path: Path) -> None:
    for group in (bytes(range(16)), bytes(16)):
        key = Key("cs-fnns", "textures-4", SEED, group=group)
        key.save(tmp_path / "key.npy", force=True)
        assert keys.load(tmp_path / "key.npy") == key
        assert np.load(tmp_path / "key.npy")["shares"] == 1
    assert group.hex() not in repr(key)
    assert "group" not in repr(key)


def test_a_key_of_a_passphrase_has_no_group_but_others_may_stand_beside_it() -> None:
    with pytest.raises(ValueError, match="has no group"):
        Key("m", "w", SEED, salt=bytes(16), group=bytes(16))
    with pytest.raises(ValueError, match="group has 3 bytes"):
        Key("m", "w", SEED, group=b"abc")
    salted = Key("m", "w", SEED, salt=bytes(16))
    assert keys.beside(salted).group == salted.cover_secret() == Key("m", "w", SEED).cover_secret()


# Test vectors: these must never change, or what was hidden no longer reveals


def test_stream_is_chacha20_of_rfc_8439() -> None:
    """RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, counter 0."""
    expected = (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    )
    assert Stream(bytes(32)).bytes(64).hex() == expected
    assert Stream(bytes(32)).words(8).tolist() == [
        0x903DF1A0ADE0B876, 0x28BD8653E56A5D40, 0x1AED8DA0B819D2BD, 0xC70D778BCCEF36A8,
        0x8D4857517C5941DA, 0x374AD8B83FE02477, 0x1CA11815F4B8436A, 0x8665EEB269B687C3,
    ]  # fmt: skip


def test_words() -> None:
    expected = [0x6A19C5D97D2BFD39, 0x494ADCB87703BD8D, 0xCC6ADEBC6FD8358A, 0x9224EAD84C7DCCB2]
    assert Stream(SEED).words(4).tolist() == expected


def test_stream_is_chacha20_of_the_seed_far_out() -> None:
    keystream = Cipher(algorithms.ChaCha20(SEED, bytes(16)), mode=None).encryptor().update(bytes(100_000))
    assert Stream(SEED).bytes(100_000) == keystream


def test_integers() -> None:
    assert Stream(SEED).integers(8, 10).tolist() == [3, 3, 8, 0, 7, 1, 1, 6]
    assert Stream(SEED).integers(3, 2**63).tolist() == [
        7645359380336737593,
        5281276197874154893,
        5506458395325511050,
    ]


def test_integers_redraw_words_past_the_last_multiple() -> None:
    """A quarter of all words is past 3 * (2^62 + 1), so that some of these six were drawn anew."""
    bound = 2**62 + 1
    words = [w for w in Stream(SEED).words(20).tolist() if w < 3 * bound]
    assert Stream(SEED).integers(6, bound).tolist() == [w % bound for w in words[:6]]
    assert any(w >= 3 * bound for w in Stream(SEED).words(20).tolist())


def test_uniform() -> None:
    expected = ["0x1.a8671765f4afep-2", "0x1.252b72e1dc0eep-2", "0x1.98d5bd78dfb07p-1", "0x1.2449d5b098fb9p-1"]
    assert [v.hex() for v in Stream(SEED).uniform(4).tolist()] == expected


def test_normal() -> None:
    expected = [
        "-0x1.ba9179f2f6465p-3", "-0x1.20e2d9dc78db1p-1", "0x1.ac2ef26d9357bp-1",
        "0x1.6dc81f48cacfbp-3", "0x1.be41fc817ab4fp-2", "-0x1.17283e2fb8459p-2",
    ]  # fmt: skip
    assert [v.hex() for v in Stream(SEED).normal(6).tolist()] == expected


def test_many_normals() -> None:
    """The tails too are the same bits everywhere."""
    digest = hashlib.sha256(Stream(SEED).normal(100_000).astype("<f8").tobytes()).hexdigest()
    assert digest == "89391323d5d25e25385a832edde35ddc37fcb7f05e70b284f04c33122250cf83"


def test_permutation() -> None:
    assert Stream(SEED).permutation(12).tolist() == [7, 9, 6, 1, 10, 11, 5, 0, 3, 4, 2, 8]


def test_permutation_of_equal_words_is_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorts differ between processors where words are equal."""
    monkeypatch.setattr(Stream, "words", lambda self, n: np.arange(n, dtype=np.uint64) % np.uint64(7))
    assert Stream(SEED).permutation(700).tolist() == sorted(range(700), key=lambda i: i % 7)


def test_bits() -> None:
    expected = [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0]
    assert Stream(SEED).bits(20).tolist() == expected


def test_numbers_do_not_depend_on_threads() -> None:
    def draw() -> bytes:
        stream = Stream(SEED)
        return stream.normal(5000).tobytes() + stream.permutation(5000).tobytes() + stream.uniform(5000).tobytes()

    threads, drawn = torch.get_num_threads(), set()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            drawn.add(draw())
    finally:
        torch.set_num_threads(threads)
    assert len(drawn) == 1


# Properties of the numbers


def test_stream_goes_on_where_it_stopped() -> None:
    stream = Stream(SEED)
    parts = [stream.words(3), stream.words(0), stream.words(5)]
    assert np.concatenate(parts).tolist() == Stream(SEED).words(8).tolist()


def test_bits_take_whole_bytes() -> None:
    stream = Stream(SEED)
    stream.bits(9)
    assert stream.bytes(4) == Stream(SEED).bytes(6)[2:]


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 2**32 - 1, 2**62 + 1, 2**63 - 1, 2**63])
def test_integers_are_in_range(bound: int) -> None:
    drawn = Stream(SEED).integers(1000, bound)
    assert drawn.dtype == np.int64
    assert len(drawn) == 1000
    assert drawn.min() >= 0
    assert int(drawn.max()) < bound
    assert bound > 100 or set(drawn.tolist()) == set(range(bound))


def test_integers_are_uniform() -> None:
    counts = np.bincount(Stream(SEED).integers(30_000, 3), minlength=3)
    assert stats.chisquare(counts).pvalue > 0.001


def test_uniform_is_uniform_and_open() -> None:
    drawn = Stream(SEED).uniform(100_000)
    assert stats.kstest(drawn, "uniform").pvalue > 0.001
    assert drawn.min() > 0
    assert drawn.max() < 1


def test_normals_are_normal() -> None:
    drawn = Stream(SEED).normal(100_000)
    assert stats.kstest(drawn, "norm").pvalue > 0.001
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02


def test_extreme_words_give_finite_normals() -> None:
    smallest, largest = 0.5 * 2.0**-52, 1 - 0.5 * 2.0**-52
    low, high = inverse_normal(np.array([smallest, largest]))
    assert low == -high
    assert 8.1 < high < 8.3


def test_inverse_normal_agrees_with_scipy() -> None:
    small = 2.0 ** -np.linspace(1.01, 53, 2000)
    p = np.concatenate([small, 1 - small, np.linspace(0.001, 0.999, 9973)])
    p = p[(p != 0.5) & (p < 1)]  # the median has no relative error, and 1 - 2^-53 may round to 1
    expected = stats.norm.ppf(p)
    assert np.abs(inverse_normal(p) / expected - 1).max() < 1e-14


def test_inverse_normal_rises() -> None:
    """Also across the borders of its three formulas."""
    p = np.sort(np.concatenate([b + np.linspace(-1e-9, 1e-9, 1001) for b in (0.075, 0.925, np.exp(-25.0), 0.5)]))
    assert (np.diff(inverse_normal(p[p > 0])) >= 0).all()


def test_median_is_zero() -> None:
    assert inverse_normal(np.array([0.5]))[0] == 0


def test_permutation_is_one() -> None:
    assert sorted(Stream(SEED).permutation(1000).tolist()) == list(range(1000))
    assert Stream(SEED).permutation(0).tolist() == []
