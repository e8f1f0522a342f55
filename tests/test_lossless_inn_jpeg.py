"""lossless-inn in JPEG files: slots, limits, and the message there and back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jpeg_helpers import files, photo, saved
from PIL import Image as Pillow

from stegcli.errors import CapacityError, FileError, RevealError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_hiding, jpeg_slots
from stegcli.methods.lossless_inn.jpeg_slots import CoefficientPlanes
from stegcli.pictures import jpeg, segments
from stegcli.pictures.jpeg import Jpeg

FILES = files()
DATA = b"to the lighthouse at nine"


def sent(cover: Jpeg, data: bytes, key: Key, **options) -> bytes:
    return jpeg.write(cover, jpeg_hiding.hide(data, key, cover, **options).blocks).file


@pytest.mark.parametrize(("name", "costs"), [*((name, "uerd") for name in FILES), ("plain", "juniward")])
def test_a_message_comes_back(name: str, costs: str, key: Key) -> None:
    cover = jpeg.read(FILES[name])
    stego = jpeg.read(sent(cover, DATA, key, costs=costs, limit=0.4))
    assert jpeg_hiding.reveal(stego, key) == DATA
    with pytest.raises(RevealError):
        jpeg_hiding.reveal(stego, keys.generate("lossless-inn", "coset-1"))
    with pytest.raises(RevealError):
        jpeg_hiding.reveal(cover, key)


def test_it_comes_back_without_any_metadata(key: Key) -> None:
    """Services strip all segments that a decoder does not need."""
    found = segments.parse(sent(jpeg.read(FILES["progressive"]), DATA, key, limit=0.4))
    needed = tuple(s for s in found.before if s.kind in ("tables", "frame"))
    assert len(needed) < len(found.before)
    bare = segments.Structure(needed, found.scans, b"").to_bytes()
    assert jpeg_hiding.reveal(jpeg.read(bare), key) == DATA


def test_a_recompressed_stego_reveals_nothing(key: Key) -> None:
    stego = jpeg.read(sent(jpeg.read(FILES["plain"]), DATA, key, limit=0.4))
    again = saved(Pillow.open(io.BytesIO(stego.file)), quality=80)
    with pytest.raises(RevealError):
        jpeg_hiding.reveal(jpeg.read(again), key)


def test_changes_are_few_small_and_among_the_slots(key: Key) -> None:
    cover = jpeg.read(FILES["4:4:4"])
    changed = jpeg_hiding.hide(DATA, key, cover, limit=0.4)
    moves = [(b.astype(int) - c.blocks).reshape(-1, 64) for b, c in zip(changed.blocks, cover.components, strict=True)]
    every = np.concatenate(moves)
    assert np.count_nonzero(every) == changed.changes < changed.coded_bits
    assert np.abs(every).max() <= 2
    assert np.count_nonzero(np.abs(every) == 2) < 0.05 * changed.changes
    assert not every[:, jpeg.ZIGZAG[jpeg_slots.MODES :]].any()


def test_a_stego_may_be_a_cover_again(key: Key) -> None:
    once = jpeg.read(sent(jpeg.read(FILES["optimised"]), DATA, key, limit=0.4))
    twice = jpeg.read(sent(once, DATA[::-1], key, limit=0.4))
    assert jpeg_hiding.reveal(twice, key) == DATA[::-1]


# -- slots


@pytest.mark.parametrize("name", ["plain", "L", "CMYK"])
def test_gathered_and_scattered(name: str) -> None:
    components = jpeg.read(FILES[name]).components
    values = jpeg_slots.gather([c.blocks for c in components])
    assert len(values) == jpeg_slots.count(components)
    back = jpeg_slots.scatter(values, components)
    assert all(np.array_equal(b, c.blocks) for b, c in zip(back, components, strict=True))


def test_order_of_slots_is_component_row_block_mode() -> None:
    components = jpeg.read(FILES["plain"]).components
    values = jpeg_slots.gather([c.blocks for c in components])
    first, second = components[0].blocks, components[1].blocks
    columns = first.shape[1]
    assert values[0] == first[0, 0, 0, 0]
    assert values[1] == first[0, 0, 0, 1]
    assert values[2] == first[0, 0, 1, 0]
    assert values[28 * (columns + 1) + 27] == first[1, 1, 0, 6]
    assert values[28 * first.shape[0] * columns + 3] == second[0, 0, 2, 0]


def planes(samples: list[int], up: float = 1.0, down: float = 1.0) -> CoefficientPlanes:
    n = len(samples)
    return CoefficientPlanes(np.array(samples, np.int16), np.full(n, up, np.float32), np.full(n, down, np.float32))


def bits_of(values: list[int]) -> np.ndarray:
    return np.array([[v & 1 for v in values], [v >> 1 & 1 for v in values]], np.uint8)


def test_values_are_taken_modulo_four_and_moved_the_nearer_way() -> None:
    samples, wanted = [0, 0, 0, 0, -1, -5, 7], [0, 1, 3, 2, 0, 3, 0]
    up = planes(samples).chosen(bits_of(wanted), np.ones(7, bool))
    assert up.tolist() == [0, 1, -1, 2, 0, -5, 8]
    down = planes(samples).chosen(bits_of(wanted), np.zeros(7, bool))
    assert down.tolist() == [0, 1, -1, -2, 0, -5, 8]
    assert np.array_equal(bits_of(up.tolist()), bits_of(wanted))


def test_moves_by_two_go_the_cheaper_way() -> None:
    found = planes([0, 5], up=1.0, down=0.5).chosen(bits_of([2, 3]), np.ones(2, bool))
    assert found.tolist() == [-2, 3]


@pytest.mark.parametrize("end", [1023, -1023])
def test_nothing_leaves_the_range(end: int) -> None:
    samples = [end] * 4 + [end - np.sign(end)] * 4
    found = planes(samples).chosen(bits_of([0, 1, 2, 3] * 2), np.array([True, False] * 4))
    assert np.abs(found).max() <= 1023
    assert np.array_equal(found & 3, [0, 1, 2, 3] * 2)


def test_the_share_of_the_planes_is_found_from_all_modes_alike() -> None:
    for n in (30_000 * 28, 30_000 * 44, 30_000 * 14 - 1):
        some = np.arange(n)[CoefficientPlanes(*(np.ones(n, np.float32),) * 3)._some()]
        assert 5_000 < len(some) <= 30_000
        counts = np.bincount(some % 28, minlength=28)
        assert counts.max() - counts.min() <= 1


# -- limits


@pytest.mark.parametrize("quality", [99, 100])
def test_too_fine_steps_are_refused(quality: int, key: Key) -> None:
    cover = jpeg.read(saved(photo(), quality=quality))
    with pytest.raises(FileError, match="quality 99 or more"):
        jpeg_hiding.hide(DATA, key, cover)
    jpeg_hiding.check_quality(jpeg.read(saved(photo(), quality=98)))


def test_the_limit_counts_every_bit_that_travels(key: Key) -> None:
    cover = jpeg.read(FILES["4:4:4"])
    room = jpeg_hiding.capacity(cover, 0.2)
    changed = jpeg_hiding.hide(bytes(room), key, cover, costs="uerd", limit=0.2)
    assert changed.coded_bits <= 0.2 * cover.nonzero_ac < changed.coded_bits + 8
    with pytest.raises(CapacityError) as caught:
        jpeg_hiding.hide(bytes(room + 1), key, cover, limit=0.2)
    assert (caught.value.capacity, caught.value.need) == (room, room + 1)
    assert "--payload-limit" in str(caught.value.hint)


def test_a_file_of_zeros_says_it_has_no_room(key: Key) -> None:
    cover = jpeg.read(saved(Pillow.new("RGB", (256, 256), (10, 120, 90))))
    assert jpeg_hiding.capacity(cover, 0.4) == 0
    with pytest.raises(CapacityError):
        jpeg_hiding.hide(b"x", key, cover, limit=0.4)
