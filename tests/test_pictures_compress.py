"""glow2's compressed secrets: the best copy of a picture that fits into so many bytes, and back."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data as samples

from stegcli.errors import CapacityError, RevealError
from stegcli.pictures import compress, image, metrics
from stegcli.pictures.compress import pack, unpack
from stegcli.pictures.image import Picture

ROOMS = (45, 70, 120, 250, 600, 1500, 3500)


def photo(height, width):
    return Picture(np.ascontiguousarray(samples.astronaut()[:height, 190 : 190 + width]))


def as_file(picture, format="PNG", **options):
    buffer = io.BytesIO()
    Pillow.fromarray(picture.pixels).save(buffer, format, **options)
    return buffer.getvalue()


def too_large(room):
    """A file that does not fit as it is."""
    return bytes(max(0, room) + 1)


def packed(picture, room):
    return pack(too_large(room), picture, room)


def random_picture(height, width):
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


# -- fit


@pytest.fixture(scope="module")
def by_room():
    """One photo in many rooms."""
    picture = photo(40, 40)
    return picture, {room: packed(picture, room) for room in ROOMS}


def test_every_room_is_kept(by_room):
    for room, made in by_room[1].items():
        assert len(made.data) <= room


def test_promised_quality_is_what_the_receiver_gets(by_room):
    picture, found = by_room
    for made in found.values():
        back = unpack(made.data)
        assert back.pixels.shape == picture.pixels.shape
        assert metrics.psnr(picture.pixels, back.pixels) == pytest.approx(made.psnr)


def test_more_room_is_never_worse(by_room):
    _, found = by_room
    quality = [found[room].psnr for room in ROOMS]
    assert all(b >= a for a, b in itertools.pairwise(quality))
    assert 15 < quality[0] < 25
    assert quality[3] > 28
    assert quality[-1] == float("inf")


def test_closely_spaced_rooms_are_about_as_good():
    """Searching by halves in sizes that do not grow evenly must not fall into holes."""
    picture = photo(32, 32)
    quality = [packed(picture, room).psnr for room in range(200, 230, 7)]
    for before, after in itertools.pairwise(quality):
        assert after > before - 0.5
    assert quality[-1] > quality[0]


def test_most_of_the_room_is_used(by_room):
    for room in (70, 120, 250, 600):
        assert len(by_room[1][room].data) > 0.85 * room


def test_containers_do_not_travel(by_room):
    """Of 250 bytes they would be most."""
    for room in (120, 250, 600):
        data = by_room[1][room].data
        for word in (b"RIFF", b"WEBP", b"ftyp", b"avif", b"meta", b"mdat"):
            assert word not in data


def test_beats_what_a_plain_file_of_that_size_is_worth(by_room):
    picture, found = by_room
    plain = max((as_file(picture, "JPEG", quality=q) for q in range(1, 95)), key=lambda f: len(f) * (len(f) <= 1500))
    assert len(plain) <= 1500
    assert found[1500].psnr > metrics.psnr(picture.pixels, image.decode(plain).pixels) + 3


# -- exact


def test_files_that_fit_come_back_to_the_pixel():
    picture = photo(40, 30)
    for file in (as_file(picture), as_file(picture, "WEBP", lossless=True), as_file(picture, "BMP")):
        made = pack(file, image.decode(file), len(file) + 1)
        assert made.psnr == float("inf")
        assert made.data[1:] == file
        assert np.array_equal(unpack(made.data).pixels, picture.pixels)


def test_the_very_file_needs_one_byte_more():
    picture = random_picture(8, 8)
    file = as_file(picture, "JPEG", quality=30)
    decoded = image.decode(file)
    assert pack(file, decoded, len(file) + 1).data[1:] == file
    assert pack(file, decoded, len(file)).data[1:] != file


def test_lossless_is_tried_when_the_file_is_too_large():
    picture = photo(40, 40)
    file = as_file(picture, "BMP")
    best = len(image.encode(picture, "WEBP"))
    assert best < len(file)
    made = pack(file, picture, best + 1)
    assert made.psnr == float("inf")
    assert np.array_equal(unpack(made.data).pixels, picture.pixels)
    assert pack(file, picture, best).psnr < float("inf")


def test_drawings_often_fit_without_loss():
    drawing = Picture(np.zeros((100, 150, 3), np.uint8))
    drawing.pixels[25:75, 10:140] = (200, 30, 90)
    made = packed(drawing, 700)
    assert made.psnr == float("inf")
    assert np.array_equal(unpack(made.data).pixels, drawing.pixels)


def test_alpha_is_kept_where_it_fits():
    pixels = photo(20, 20).pixels
    alpha = np.resize(np.arange(256, dtype=np.uint8), (20, 20))
    picture = Picture(pixels, alpha)
    file = image.encode(picture)
    assert np.array_equal(unpack(pack(file, picture, 5000).data).alpha, alpha)
    assert np.array_equal(unpack(packed(picture, 5000).data).alpha, alpha)
    assert unpack(packed(picture, 200).data).alpha is None


def test_pictures_that_decoding_changed_travel_as_they_are_seen():
    """A picture lying on its side by EXIF: the receiver gets it upright, and nothing of the EXIF data."""
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, "Amundsen"
    file = as_file(photo(20, 30), "PNG", exif=exif)
    picture = image.decode(file)
    assert picture.notes
    made = pack(file, picture, 5000)
    assert b"Amundsen" in file
    assert b"Amundsen" not in made.data
    assert np.array_equal(unpack(made.data).pixels, picture.pixels)


# -- sizes


@pytest.mark.parametrize(
    ("height", "width", "room"),
    [(1, 1, 40), (1, 1, 500), (3, 2, 45), (7, 9, 60), (8, 8, 50), (9, 300, 300), (300, 9, 300), (33, 31, 200),
     (64, 65, 150)],
)  # fmt: skip
def test_sizes_of_all_kinds_come_back_in_their_own(height, width, room):
    picture = photo(height, width)
    made = packed(picture, room)
    assert len(made.data) <= room
    assert unpack(made.data).pixels.shape == (height, width, 3)
    assert made.psnr > 12


@pytest.mark.parametrize(("height", "width"), [(2, 20_000), (3000, 1)])
def test_very_wide_and_high_pictures_come_back(height, width):
    ramp = np.linspace(0, 255, max(height, width)).astype(np.uint8)
    plane = np.broadcast_to(ramp if width > height else ramp[:, None], (height, width))
    picture = Picture(np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2)))
    made = packed(picture, 300)
    assert len(made.data) <= 300
    back = unpack(made.data)
    assert back.pixels.shape == (height, width, 3)
    assert metrics.psnr(back.pixels, picture.pixels) == pytest.approx(made.psnr)
    assert made.psnr > 30


def test_large_pictures_are_made_small_first(monkeypatch):
    """No more than so many pixels to a side are coded, which saves most of the time; nothing of the room."""
    sides = []
    monkeypatch.setattr(compress, "FIRST_SIDE", 30)
    for kind, encode in compress.CODERS.items():
        noted = lambda pixels, quality, e=encode: sides.append(pixels.shape) or e(pixels, quality)  # noqa: E731
        monkeypatch.setitem(compress.CODERS, kind, noted)
    picture = photo(45, 60)
    made = packed(picture, 400)
    assert max(sides) == (22, 30, 3)
    back = unpack(made.data)
    assert back.pixels.shape == (45, 60, 3)
    assert metrics.psnr(picture.pixels, back.pixels) == pytest.approx(made.psnr)


def test_noise_fits_too_as_well_as_it_can():
    """Nothing compresses it; its mean is left."""
    made = packed(random_picture(64, 64), 200)
    assert len(made.data) <= 200
    assert made.psnr > 7


# -- what does not fit


@pytest.mark.parametrize("room", [-20, 0, 1, 6, 10])
def test_no_room_for_anything_is_told(room):
    with pytest.raises(CapacityError) as caught:
        packed(photo(48, 48), room)
    assert caught.value.capacity == max(0, room)
    assert caught.value.need > room
    assert "--size" in caught.value.hint


@pytest.mark.parametrize(("height", "width"), [(24, 24), (1, 1)])
def test_what_is_said_to_be_needed_suffices(height, width):
    picture = photo(height, width)
    with pytest.raises(CapacityError) as caught:
        packed(picture, 0)
    need = caught.value.need
    assert len(packed(picture, need).data) <= need < 60


# -- what is not a packed picture


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\x01", b"\x02\x00", b"\x00not a picture", b"\x01\x00\x00\x05\x00\x05",
        b"\x01\x00\x00\x05\x00\x05?", b"\x01\x07\x00\x05\x00\x05 no such scale", b"\x03\xff\x00\x05\x00\x05 nor this",
        bytes(100),
    ],
)  # fmt: skip
def test_what_is_not_packed_is_refused(data):
    with pytest.raises(RevealError):
        unpack(data)


def test_files_cut_short_are_refused():
    file = as_file(photo(30, 30))
    for part in (0.1, 0.5, 0.9):
        with pytest.raises(RevealError):
            unpack(b"\x00" + file[: int(part * len(file))])


def test_damaged_webp_is_a_picture_or_refused():
    """Of its size, whatever it shows: damage that slips through the codec is what the message's tag is there for."""
    picture, rng = photo(32, 32), np.random.default_rng(0)
    head, body = compress.HEAD.pack(compress.WEBP, 0, 32, 32), compress._webp(picture.pixels, 40)
    refused = 0
    for _ in range(200):
        damaged = np.frombuffer(body, np.uint8).copy()
        damaged[rng.integers(len(damaged), size=3)] = rng.integers(0, 256, 3)
        try:
            back = unpack(head + damaged[: rng.integers(1, len(body))].tobytes())
        except RevealError:
            refused += 1
        else:
            assert back.pixels.shape == (32, 32, 3)
    assert refused > 20
