"""JPEG files <-> coefficients."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest
from jpeg_helpers import exif, files, photo, saved, segment, with_segments
from PIL import Image as Pillow

from stegcli.errors import FileError
from stegcli.pictures import jpeg, segments

FILES = files()


def changed(cover: jpeg.Jpeg, share: float = 0.05) -> list[np.ndarray]:
    """Coefficients with many small changes, zeros among them."""
    rng = np.random.default_rng(0)
    moves = [rng.choice([-1, 0, 1], c.blocks.shape, p=[share / 2, 1 - share, share / 2]) for c in cover.components]
    return [(c.blocks + m).clip(-1023, 1023).astype(np.int16) for c, m in zip(cover.components, moves, strict=True)]


def same(blocks: list[np.ndarray]) -> list[np.ndarray]:
    return [b.copy() for b in blocks]


@pytest.mark.parametrize("name", FILES)
def test_unchanged_coefficients_give_the_same_file(name: str) -> None:
    cover = jpeg.read(FILES[name])
    assert jpeg.write(cover, [c.blocks for c in cover.components]).file == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_changed_coefficients_come_back(name: str) -> None:
    cover = jpeg.read(FILES[name])
    wanted = changed(cover)
    written = jpeg.read(jpeg.write(cover, wanted).file)
    assert all(np.array_equal(c.blocks, w) for c, w in zip(written.components, wanted, strict=True))
    before, after = cover.structure, written.structure
    assert [s for s in before.before if s.marker != 0xC4] == [s for s in after.before if s.marker != 0xC4]
    assert [s.marker for s in before.before] == [s.marker for s in after.before]
    assert [s.header for s in before.scans] == [s.header for s in after.scans]


@pytest.mark.parametrize("name", FILES)
def test_pillow_decodes_what_was_written(name: str) -> None:
    """To pixels that differ from the cover's by what the changes are."""
    cover = jpeg.read(FILES[name])
    wanted = changed(cover, 0.002)
    pixels = [np.asarray(Pillow.open(io.BytesIO(f))).astype(int) for f in (FILES[name], jpeg.write(cover, wanted).file)]
    difference = np.abs(pixels[0] - pixels[1])
    assert 0 < difference.mean() < 6


def test_optimised_files_stay_optimised_and_others_keep_their_tables() -> None:
    """A file whose tables no encoder would have chosen gives itself away."""
    for name, stays in (("plain", True), ("optimised", False)):
        cover = jpeg.read(FILES[name])
        written = jpeg.write(cover, changed(cover)).file
        tables = [s for s in segments.parse(written).before if s.marker == 0xC4]
        assert (tables == [s for s in cover.structure.before if s.marker == 0xC4]) == stays
        if not stays:
            again = jpeg.read(written)
            assert jpeg._uses_optimised_tables(again)


def test_tables_that_lack_a_code_are_made_anew() -> None:
    """Optimised for another picture: with these tables the library writes a corrupt file, and says nothing."""
    cover = jpeg.read(saved(Pillow.new("RGB", (64, 64), (90, 120, 40)), optimize=True))
    wanted = same([c.blocks for c in cover.components])
    wanted[0][2, 2, 3, 3] = 40
    corrupt = jpeg._code(cover.file, wanted, False)
    assert corrupt != jpeg._code(cover.file, wanted, True)
    written = jpeg.read(jpeg.write(cover, wanted).file)
    assert written.components[0].blocks[2, 2, 3, 3] == 40


def test_steps_are_pillows() -> None:
    cover = jpeg.read(FILES["coarse"])
    with Pillow.open(io.BytesIO(FILES["coarse"])) as opened:
        for component, table in zip(cover.components, (0, 1, 1), strict=True):
            assert component.steps.reshape(-1).tolist() == opened.quantization[table]


def test_coefficients_are_those_of_the_picture() -> None:
    """Against a transform by hand: the mean of a flat block, and a lone cosine."""
    pixels = np.full((8, 16), 200, np.uint8)
    wave = 40 * np.cos((2 * np.arange(8) + 1) * 3 * np.pi / 16)
    pixels[:, 8:] = np.rint(128 + wave)[:, None]
    first, second = jpeg.read(saved(Pillow.fromarray(pixels), quality=90)).components[0].blocks[0]
    steps = jpeg.read(saved(Pillow.fromarray(pixels), quality=90)).components[0].steps
    assert first[0, 0] == round(8 * 72 / steps[0, 0])
    assert np.count_nonzero(first) == 1
    assert abs(second).argmax() == 3 * 8  # the vertical frequency comes first
    assert second[3, 0] == pytest.approx(40 * 32**0.5 / steps[3, 0], abs=1)


def test_zigzag_is_the_files_order() -> None:
    order = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
    assert jpeg.ZIGZAG.tolist() == order


def test_nonzero_ac_leaves_the_means_out() -> None:
    flat = jpeg.read(saved(Pillow.new("L", (64, 64), 30)))
    assert flat.nonzero_ac == 0
    assert jpeg.read(FILES["L"]).nonzero_ac > 1000


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 9), (16, 200)])
def test_small_and_odd_sizes(size: tuple[int, int]) -> None:
    cover = jpeg.read(saved(photo().resize(size)))
    wanted = changed(cover)
    written = jpeg.read(jpeg.write(cover, wanted).file)
    assert all(np.array_equal(c.blocks, w) for c, w in zip(written.components, wanted, strict=True))


def test_kept_metadata_is_byte_identical() -> None:
    file = with_segments(FILES["plain"], exif(), segment(0xFE, b"comment"), segment(0xED, b"Photoshop 3.0\0"))
    cover = jpeg.read(file)
    written = jpeg.write(cover, changed(cover), keep_metadata=True).file
    scan = file.index(b"\xff\xda")
    assert written[:scan] == file[:scan]
    assert jpeg.write(cover, changed(cover)).file[:scan] != file[:scan]


def test_what_is_lost_is_said() -> None:
    cover = jpeg.read(with_segments(FILES["plain"], exif()) + b"more")
    written = jpeg.write(cover, [c.blocks for c in cover.components])
    assert len(written.notes) == 2
    assert not written.file.endswith(b"more")


def test_grouped_tables_stay_grouped() -> None:
    """Cameras write all tables of one kind in one segment; libjpeg writes one segment each."""
    structure = segments.parse(FILES["plain"])
    tables = b"".join(s.body for s in structure.before if s.marker == 0xC4)
    steps = b"".join(s.body for s in structure.before if s.marker == 0xDB)
    others = [s for s in structure.before if s.marker not in (0xC4, 0xDB)]
    before = (others[0], segments.Segment(0xC4, tables), segments.Segment(0xDB, steps), *others[1:])
    cover = jpeg.read(segments.Structure(before, structure.scans, b"").to_bytes())
    written = jpeg.write(cover, changed(cover))
    assert segments.parse(written.file).before == before


def test_library_messages_stay_off_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    file = FILES["plain"]
    middle = len(file) // 2
    broken = file[:middle] + bytes(range(60)) * 4 + file[middle + 240 :]
    with pytest.raises(FileError, match="damaged"):
        jpeg.read(broken.replace(b"\xff\xd9", b"\x12\x34")[:-2] + b"\xff\xd9")
    assert capfd.readouterr().err == ""


def test_cut_files_are_refused() -> None:
    with pytest.raises(FileError, match="cut short"):
        jpeg.read(FILES["plain"][: len(FILES["plain"]) // 2])
    cut = FILES["plain"][: len(FILES["plain"]) // 2] + b"\xff\xd9"
    with pytest.raises(FileError, match="cut short"):
        jpeg.read(cut)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **more: object) -> object:
        if name == "jpegio":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileError, match="pyjpegio") as caught:
        jpeg.read(FILES["plain"])
    assert "pip install pyjpegio" in str(caught.value.hint)
