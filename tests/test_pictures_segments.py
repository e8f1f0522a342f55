"""The segments of a JPEG file, and which of them travel."""

from __future__ import annotations

import io

import pytest
from jpeg_helpers import exif, files, photo, saved, segment, with_segments
from PIL import Image as Pillow
from PIL import ImageCms

from stegcli.errors import FileError
from stegcli.pictures import segments

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
C2PA = segment(0xEB, b"JP\0\1\0\0\0\1claim")
MPF = segment(0xE2, b"MPF\0MM\0*")
COMMENT = segment(0xFE, b"made by hand")


@pytest.fixture(scope="module")
def plain() -> bytes:
    return saved(photo(64, 64))


@pytest.fixture(scope="module")
def busy(plain: bytes) -> bytes:
    """A file with all the metadata a phone or an editor leaves."""
    icc = saved(photo(64, 64), icc_profile=PROFILE)
    return with_segments(icc, exif(), XMP, C2PA, MPF, COMMENT)


def kinds(found: tuple[segments.Segment, ...]) -> list[str]:
    return [s.kind for s in found if s.kind not in ("tables", "frame")]


@pytest.mark.parametrize("name", files())
def test_a_file_is_the_sum_of_its_parts(name: str) -> None:
    file = files()[name]
    found = segments.parse(file)
    assert found.to_bytes() == file
    assert found.after == b""
    assert (found.frame.width, found.frame.height) == (139, 120)
    assert len(found.scans) == 1 or "progressive" in name


def test_kinds_of_segments_are_known(busy: bytes) -> None:
    assert kinds(segments.parse(busy).before) == ["jfif", "exif", "xmp", "c2pa", "mpf", "comment", "icc"]


def test_by_default_orientation_and_profile_alone_travel(busy: bytes) -> None:
    found = segments.parse(busy)
    kept = segments.travelling(found)
    assert kinds(kept.segments) == ["jfif", "exif", "icc"]
    assert [s for s in kept.segments if s.kind == "tables"] == [s for s in found.before if s.kind == "tables"]
    with Pillow.open(io.BytesIO(segments.Structure(kept.segments, found.scans, b"").to_bytes())) as opened:
        assert dict(opened.getexif()) == {0x0112: 6}
        assert opened.info["icc_profile"] == PROFILE
    assert any("C2PA" in note for note in kept.notes)
    assert any("multi-picture" in note for note in kept.notes)
    assert any("EXIF, XMP, comment" in note for note in kept.notes)


def test_upright_pictures_need_no_exif(plain: bytes) -> None:
    found = segments.parse(with_segments(plain, exif(orientation=1)))
    assert kinds(segments.travelling(found).segments) == ["jfif"]


def test_kept_metadata_is_kept_but_for_what_would_be_false(busy: bytes) -> None:
    found = segments.parse(busy)
    kept = segments.travelling(found, keep_metadata=True)
    assert kept.segments == tuple(s for s in found.before if s.kind not in ("c2pa", "mpf"))
    assert any("GPS" in note for note in kept.notes)


def test_nothing_is_said_where_nothing_is_lost(plain: bytes) -> None:
    found = segments.parse(plain)
    assert segments.travelling(found) == segments.Kept(found.before, ())
    assert segments.travelling(found, keep_metadata=True) == segments.Kept(found.before, ())


def test_thumbnails_are_left_out(plain: bytes) -> None:
    body = segments.parse(plain).before[0].body
    thumbnail = segment(0xE0, body[:12] + b"\1\1abc")
    file = plain[:2] + thumbnail + segment(0xE0, b"JFXX\0\x10thumbnail") + plain[20:]
    kept = segments.travelling(segments.parse(file))
    assert kinds(kept.segments) == ["jfif"]
    assert kept.segments[0].body == body


def test_what_follows_the_picture_is_said(plain: bytes) -> None:
    found = segments.parse(plain + b"a video")
    assert found.after == b"a video"
    assert segments.travelling(found).notes == ("7 bytes after the picture were left out",)


def test_fill_bytes_are_no_content(plain: bytes) -> None:
    filled = plain[:2] + b"\xff\xff" + plain[2:-2] + b"\xff\xff" + plain[-2:] + bytes(10)
    found = segments.parse(filled)
    assert found.to_bytes() == plain
    assert segments.travelling(found).notes == ()


@pytest.mark.parametrize("value", [0, 1, 3, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_is_read_in_both_byte_orders(value: int, order: str) -> None:
    exif = Pillow.Exif()
    exif.endian = order
    exif[0x0112] = value
    found = segments.Segment(0xE1, exif.tobytes())
    assert segments.orientation(found) == max(1, value)


@pytest.mark.parametrize(
    "body", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09", b"Exif\0\0XX", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_counts_as_none(body: bytes) -> None:
    assert segments.orientation(segments.Segment(0xE1, body)) == 1


def test_orientation_is_written_as_pillow_writes_it() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 8
    assert segments._oriented(8).body == exif.tobytes()


def test_every_cut_is_noticed(plain: bytes) -> None:
    for end in [*range(2, 700, 13), len(plain) // 2, len(plain) - 1]:
        with pytest.raises(FileError, match="cut short"):
            segments.parse(plain[:end])


@pytest.mark.parametrize(
    ("marker", "text"), [(0xC3, "lossless"), (0xC5, "hierarchical"), (0xC9, "arithmetic"), (0xCA, "arithmetic")]
)
def test_other_kinds_of_jpeg_are_named(plain: bytes, marker: int, text: str) -> None:
    with pytest.raises(FileError, match=text):
        segments.parse(plain.replace(b"\xff\xc0\0\x11", bytes([0xFF, marker, 0, 0x11])))


def test_twelve_bits_are_refused(plain: bytes) -> None:
    with pytest.raises(FileError, match="12 bits"):
        segments.parse(plain.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"))


@pytest.mark.parametrize("file", [b"", b"\x89PNG", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"])
def test_other_formats_are_no_jpeg(file: bytes) -> None:
    with pytest.raises(FileError, match="not a JPEG file"):
        segments.parse(file)


def test_a_height_given_later_is_refused(plain: bytes) -> None:
    with pytest.raises(FileError):
        segments.parse(plain.replace(b"\xff\xc0\0\x11\x08\0\x40", b"\xff\xc0\0\x11\x08\0\0"))
