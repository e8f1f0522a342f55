"""The constants of riis's format: the test vectors of docs/format.md, and that they stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stegcli.coding import ldpc, sealing
from stegcli.keys.key import Key
from stegcli.methods.riis import envelope, salts, search, trellis
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share, Slots, slots_of

FORMAT = Path(__file__).parent.parent / "docs" / "format.md"
NONCE = bytes(range(16))
KEY = Key("riis", "coded-1", bytes(range(32)))
MESSAGE = KEY.message(NONCE)


def listed(numbers: np.ndarray) -> str:
    return ", ".join(str(int(n)) for n in numbers)


def vectors() -> dict[str, str]:
    """What is specified -> its value, computed."""
    samples, blocks = slots_of(12_288, 1, Share()), Slots(np.arange(64), 20)
    head = salts.head(KEY, 0, samples, 2688)
    sealed = sealing.seal(b"abc", KEY, 3)
    return {
        "message key's secret": MESSAGE.secret.hex(),
        "header": np.packbits(envelope.header_bits(sealed)).tobytes().hex(),
        "units 0 to 11 of receiver 1 of 3": listed(slots_of(64, 1, Share(1, 3)).units[:12]),
        "n = 12,288, c = 2,688: the header's first slots": listed(head.slots[:8]),
        "their masks": listed(head.mask[:8]),
        "their dithers, times 512": listed(512 * head.dither[:8]),
        "salt 63: the first slots": listed(salts.head(KEY, 63, samples, 2688).slots[:8]),
        "the body's first slots": listed(samples.body(MESSAGE, head.slots)[:8]),
        "64 blocks, F = 20, no header: the first slots": listed(blocks.body(MESSAGE, np.empty(0, np.int64))[:8]),
        "tile of 16, salt 5: the first dithers, times 512": listed(512 * search.dither(KEY, 5, 16)[0, :8]),
        "frequencies of a tile": listed(search.frequencies()),
        "LDPC code of the bytes 00 .. 07 in 100 bits": np.packbits(
            ldpc.encode_to(np.unpackbits(np.arange(8, dtype=np.uint8)), 100)
        ).tobytes().hex(),
        "columns 0 to 7 of the trellis": listed(trellis.columns(8)),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def one_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing.secrets, "token_bytes", lambda n: NONCE[:n])


def test_vectors_stand_in_the_format() -> None:
    text = FORMAT.read_text(encoding="utf-8")
    for what, value in vectors().items():
        assert f"| {what} | `{value}` |" in text


def test_a_header_says_what_was_sealed() -> None:
    sealed = envelope.seal(Letter(b"abc", KEY), 3)
    header = envelope.open_header(envelope.header_bits(sealed), envelope.salt_of(NONCE), KEY)
    assert (header.length, header.note, header.message) == (3, 3, MESSAGE)
    assert envelope.open_body(sealed.body, header) == b"abc"


def test_the_first_constants_never_change() -> None:
    assert vectors()["header"].startswith(NONCE.hex())
    assert vectors()["frequencies of a tile"] == "1, 8, 2, 9, 16, 3, 10, 17, 24, 4, 11, 18, 25, 32"
