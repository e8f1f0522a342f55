"""The constants of the formats: the test vectors of docs/format.md, one by one, and that they stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stegcli.coding import coset, direct, ldpc, sealing, trellis
from stegcli.coding.places import Deal, HeaderPlaces
from stegcli.coding.sealing import Sealed
from stegcli.keys.key import Key

FORMAT = Path(__file__).parent.parent / "docs" / "format.md"
NONCE = bytes(range(16))
KEY = Key("lossless-inn", "coset-3", bytes(range(32)))
MESSAGE = KEY.message(NONCE)


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> Sealed:
    monkeypatch.setattr(sealing.secrets, "token_bytes", lambda n: NONCE[:n])
    return sealing.seal(b"abc", KEY, 51)


def listed(numbers: np.ndarray | list[int]) -> str:
    return ", ".join(str(int(n)) for n in numbers)


def packed(bits: np.ndarray) -> str:
    return np.packbits(bits).tobytes().hex()


def says(value: str) -> bool:
    """Whether the specification has this very value."""
    return f"`{value}`" in FORMAT.read_text(encoding="utf-8")


def test_derivation() -> None:
    assert MESSAGE.secret.hex() == "90f7f46ec7b4a27f9de5627349a904fdf8608289daf7c705e7085c9b6efb3447"
    assert says(MESSAGE.secret.hex())
    assert says(MESSAGE.derive("body").hex())
    for word in MESSAGE.stream("slots").words(2):
        assert says(hex(int(word)))


def test_sealing(sealed: Sealed) -> None:
    assert packed(sealed.body) == "8e92d609d6a66ca4aee19a3dd1c53afac3f0dc"
    assert says(packed(sealed.body))
    assert sealing.open_body(sealed.body, MESSAGE, 3, 51) == b"abc"


def test_coset_header(sealed: Sealed) -> None:
    header = packed(coset._header_bits(sealed, 200, KEY))
    assert header == "000102030405060708090a0b0c0d0e0fea1d00b41a169e8187"
    assert says(header)
    assert says(coset._pad(KEY.derive("coset pad"), NONCE).hex())
    assert says(listed(coset.sizes(1000)))


def test_coset_places() -> None:
    assert says(listed(KEY.stream("coset strata").permutation(10)))
    for slots in (12_288, 1_179_648):
        assert says(listed(HeaderPlaces(KEY, slots).drawn(5).take(8)))
    (dealt,) = Deal(12_032, MESSAGE.stream("slots")).take(np.arange(12_032))
    assert says(listed(dealt[:8]))
    assert says(listed(dealt[-3:]))


def test_codes() -> None:
    assert says(listed(trellis.Code(4096, 1).columns[:8]))
    assert says(listed(trellis.Code(trellis.LARGE, 1).columns[:8]))
    assert says(packed(ldpc.encode(np.unpackbits(np.arange(19, dtype=np.uint8)), 5)))


def test_direct_header() -> None:
    header = direct.Header(NONCE, 3, 2)
    places, signs = direct._header(header, KEY, 12_288)
    assert header.salt == 1
    assert says(listed(header.digits()))
    assert says(listed(places[:8]))
    assert says(listed(places[56:64]))
    assert says(packed(signs))
