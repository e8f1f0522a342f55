"""The test vectors of steg-cinn in docs/format.md, one by one: that the code gives them, and that they stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from steg_cinn_helpers import small_codec

from stegcli.coding import ldpc
from stegcli.keys.key import Key
from stegcli.methods.steg_cinn import groups, message, places, space, still, symbols
from stegcli.methods.steg_cinn.message import Header

FORMAT = Path(__file__).parent.parent / "docs" / "format.md"
KEY = Key("steg-cinn", "photos-2", bytes(range(32)))
GREY = ((7 * np.arange(300)[:, None] + 3 * np.arange(400)) % 256).astype(np.uint8)
GREY[:200, :380] = 77
HEADER = Header(bytes(range(8)), 3, top=2, m=2, share=40)


def listed(numbers: object) -> str:
    return ", ".join(str(int(n)) for n in np.asarray(numbers).reshape(-1))


def hexed(bits: np.ndarray) -> str:
    return np.packbits(bits).tobytes().hex()


def vectors() -> dict[str, str]:
    """What each row of the table says."""
    weights, bounds, _ = space._tables()
    table, picture = space.gamut(), message.picture_number(GREY)
    own, fixed = HEADER.key(KEY, picture), still.still(GREY)
    pixels = np.array([(12, 200, 77), (255, 254, 0), (3, 0, 9)], np.uint8)
    codec, squares = small_codec(), places.squares(fixed, KEY, picture)
    windows = [part for square in squares for part in places.parts(codec, *GREY.shape, square)]
    inside = places.numbers(windows, fixed)
    at, turns = message.header_places(KEY, picture, len(inside))
    usable = places.free(codec.order(*GREY.shape, 2), fixed)
    dealt, body_turns = message.body_places(own, HEADER, 5000)
    return {
        "W_R[128], W_G[255], W_B[1]": listed([weights[0][128], weights[1][255], weights[2][1]]),
        "bounds of i = 1, 128, 255": listed(bounds[[1, 128, 255]]),
        "g of the pixels (12, 200, 77), (255, 254, 0), (3, 0, 9)": listed(space.split(pixels)[0]),
        "limits(27), limits(255)": listed([table.q_low[27], table.q_high[27], table.q_low[255], table.q_high[255]]),
        "limits(128, 10), limits(3, 0)": listed([
            table.p_low[128, 265], table.p_high[128, 265], table.p_low[3, 255], table.p_high[3, 255]
        ]),
        "greens of (g, q, p) = (128, 10, -7): the least, how many": listed(
            [a.item() for a in space.greens(np.array([128]), np.array([[10], [-7]]))]
        ),
        "neighbours of a place of group (1, 1)": listed(groups.neighbours(next(groups.groups(1, False)))),
        "LDPC code of any rate: the bytes 00 .. 12 in 256 bits": hexed(
            ldpc.encode_to(np.unpackbits(np.arange(19, dtype=np.uint8)), 256)
        ),
        "picture": str(picture),
        "still pixels, free numbers of top 2": listed([fixed.sum(), usable.sum()]),
        "first number of each group, top 2": listed([e.start for e in codec.order(*GREY.shape, 2)]),
        "squares": listed(squares),
        "n of the header, its first places": listed([len(inside), *at[:6]]),
        "its first turns, times 2^53": listed(turns[:2] * 2.0**53),
        "header": hexed(message.seal_header(HEADER, KEY, picture)[:168]),
        "its 672 bits, the last 10 bytes": hexed(message.seal_header(HEADER, KEY, picture)[592:672]),
        "body": message._cipher(own).encrypt(bytes(12), b"abc", HEADER.fields()).hex(),
        "body's first places of n = 5,000": listed(dealt[:8]),
        "the body's first turns, times 2^53": listed(body_turns[:2] * 2.0**53),
    }  # fmt: skip


def test_vectors_stand_in_the_specification() -> None:
    text = FORMAT.read_text(encoding="utf-8")
    missing = {name: value for name, value in vectors().items() if f"| {name} | `{value}` |" not in text}
    assert not missing


def test_symbols_are_turned_as_the_specification_says() -> None:
    """Gray's code 00, 01, 11, 10 at the positions 0 to 3; and the gap."""
    bits = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], np.uint8)
    assert symbols.write(bits, np.full(4, 0.3), 2) == pytest.approx([0.3, 0.55, 0.8, 0.05])
    gapped = symbols.write(np.array([[0], [1]], np.uint8), np.full(2, 0.3), 1, gap=0.1)
    assert gapped == pytest.approx([0.3 * 0.460172, 1 - 0.3 * 0.460172], abs=1e-6)
