from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ImageCms
from skimage import data
from steg_cinn_helpers import small_method, small_photo

from stegcli import api
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.steg_cinn import places
from stegcli.methods.steg_cinn import receiver as receivers
from stegcli.methods.steg_cinn import sender as senders
from stegcli.methods.steg_cinn.options import GRAINS, HideOptions
from stegcli.pictures import image
from stegcli.pictures.image import Picture

KEY = Key("steg-cinn", "w", bytes(range(32)))


@pytest.fixture(scope="module")
def method():
    return small_method()


def request_of(data, pixels, **options):
    return Request((Secret(data),), (KEY,), Picture(pixels), options=HideOptions(**options))


def hidden(method, data, pixels, **options):
    return api.hide(request_of(data, pixels, **options), method)


def revealed(method, file, key=KEY):
    (found,) = api.reveal(image.decode(file), method, Asked(key))
    return found.data


@pytest.mark.parametrize(
    "options",
    [
        {}, {"mode": "recolour"}, {"mode": "recolour", "temperature": 1.0}, {"top": 1}, {"top": 3, "bits": 3},
        {"top": 2, "bits": 1, "gap": 0.1}, {"grain": 0.7},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_comes_back(method, options):
    data = bytes(range(200))
    made = hidden(method, data, small_photo(72, 67), **options)
    assert revealed(method, made.file) == data


@pytest.mark.parametrize(
    "options",
    [{"mode": "keep"}, {"mode": "recolour"}, {"bits": 1, "gap": 0.1}, {"bits": 1, "gap": 0.8}, {"bits": 3}],
    ids=str,
)
def test_all_that_is_promised_fits_and_one_byte_more_does_not(method, options):
    rng = np.random.default_rng(3)
    capacity = method.capacity(request_of(b"", small_photo(), **options))
    assert capacity > 300
    data = rng.bytes(capacity)
    assert revealed(method, hidden(method, data, small_photo(), **options).file) == data
    with pytest.raises(CapacityError) as caught:
        hidden(method, data + b"x", small_photo(), **options)
    assert (caught.value.capacity, caught.value.need) == (capacity, capacity + 1)


def test_empty_files_come_back(method):
    assert revealed(method, hidden(method, b"", small_photo()).file) == b""


def test_the_least_that_fits_is_redrawn(method):
    first = method.capacity(request_of(b"", small_photo(), top=1))
    small, large = (hidden(method, bytes(n), small_photo()) for n in (40, first + 20))
    assert small.draft.measured["top"] == 1
    assert large.draft.measured["top"] > 1
    assert small.cover_psnr > large.cover_psnr


def test_grey_covers_are_recoloured_by_default(method):
    grey = np.repeat(small_photo()[..., 1:2], 3, axis=2)
    made = hidden(method, b"secret", grey)
    assert made.draft.measured["top"] == 0
    assert "no colours" in made.draft.notes[0]
    assert revealed(method, made.file) == b"secret"


def test_alpha_and_profile_are_kept(method):
    alpha = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cover = Picture(small_photo(), alpha, profile)
    made = api.hide(Request((Secret(b"x"),), (KEY,), cover, options=HideOptions()), method)
    assert np.array_equal(made.picture.alpha, alpha)
    assert made.picture.icc_profile == cover.icc_profile


def test_another_key_an_innocent_picture_and_a_changed_stego_reveal_nothing(method):
    made = hidden(method, b"secret", small_photo())
    pixels = made.picture.pixels
    grey = np.repeat(pixels[..., 1:2], 3, axis=2)
    for wrong in (grey, pixels[1:], pixels[:, :, ::-1].copy(), small_photo()):
        with pytest.raises(RevealError):
            revealed(method, image.encode(Picture(np.ascontiguousarray(wrong))))
    with pytest.raises(RevealError):
        revealed(method, made.file, replace(KEY, secret=bytes(32)))
    with pytest.raises(RevealError):
        revealed(method, image.encode(Picture(small_photo(40, 40))))


def test_two_threads_and_other_windows_read_the_same(method, monkeypatch):
    from stegcli.methods.steg_cinn import codec

    made = hidden(method, b"the same everywhere", small_photo(66, 64))
    monkeypatch.setattr(codec, "WINDOW_PLACES", 100)
    monkeypatch.setattr(codec, "FEWEST_ROWS", 7)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert revealed(method, made.file) == b"the same everywhere"
    finally:
        torch.set_num_threads(before)


def test_networks_a_little_off_read_the_same(method):
    """As another machine's kernels would be, and ten times more."""
    made = hidden(method, b"the same everywhere", small_photo())
    other = small_method()
    stir = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in other.networks.parameters():
            parameter.mul_(1 + 1e-6 * torch.randn(parameter.shape, generator=stir))
    assert revealed(other, made.file) == b"the same everywhere"


def test_plain_convolutions_read_what_onednn_wrote(method):
    """Other kernels, which round otherwise."""
    made = hidden(method, b"the same everywhere", small_photo())
    torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        assert revealed(method, made.file) == b"the same everywhere"
    finally:
        torch.backends.mkldnn.set_flags(_enabled=True)


@pytest.mark.cuda
def test_cuda_and_cpu_read_what_the_other_wrote(method):
    there = small_method()
    there.device = "cuda"
    there.networks.to("cuda")
    for sender, receiver in ((there, method), (method, there)):
        made = hidden(sender, b"the same everywhere", small_photo())
        assert revealed(receiver, made.file) == b"the same everywhere"


def test_the_grain_is_found_without_being_told(method):
    for grain in (0.0, 0.5, 1.0):
        made = hidden(method, b"secret", small_photo(), grain=grain)
        assert made.draft.measured["grain"] == grain
        assert revealed(method, made.file) == b"secret"


def test_the_same_message_twice_gives_two_stegos(method):
    one, two = (hidden(method, b"secret", small_photo()).picture.pixels for _ in range(2))
    assert (one != two).any(axis=2).mean() > 0.3


def test_a_cover_that_was_a_jpeg_is_spread_and_said(method):
    jpeg = image.decode(image.encode(Picture(small_photo()), "JPEG", 90)).pixels
    made = hidden(method, b"secret", jpeg)
    assert "JPEG" in made.draft.notes[0]
    assert revealed(method, made.file) == b"secret"


def test_too_small_a_cover_is_refused(method):
    with pytest.raises(FileError, match="at least 64x64"):
        hidden(method, b"x", small_photo(63, 80))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "recolour", "top": 2},
        {"mode": "keep", "temperature": 0.7},
        {"gap": 0.1},
        {"gap": 0.1, "bits": 2},
        {"grain": 0.6},
    ],
    ids=str,
)
def test_options_that_exclude_each_other_are_refused(options):
    with pytest.raises(UsageError):
        HideOptions(**options)


def test_weights_without_the_coarse_part_do_not_recolour():
    from stegcli import methods

    fine = methods.build("steg-cinn", fine={"width": 4, "split": []})
    with pytest.raises(UsageError, match="cannot recolour"):
        hidden(fine, b"x", small_photo(), mode="recolour")


def test_large_covers_hold_the_header_in_squares(method):
    photo = np.ascontiguousarray(data.astronaut()[:260, :140])
    fixed = np.zeros((260, 140), bool)
    squares = places.squares(fixed, KEY, 5)
    assert len(squares) == places.SQUARES
    assert all(0 <= y <= 260 - s and 0 <= x <= 140 - s for y, x, s in squares)
    assert squares != places.squares(fixed, KEY, 6)
    assert places.squares(fixed[:64, :64], KEY, 5) == [(0, 0, 256)]
    made = hidden(method, b"secret", photo, top=1)
    assert revealed(method, made.file) == b"secret"


def test_the_header_lies_where_colours_may_change(method):
    """A picture that is even but for its right end."""
    photo = np.zeros((64, 320, 3), np.uint8)
    photo[:, 256:] = small_photo(64, 64)
    made = hidden(method, b"secret", photo, mode="keep")
    assert revealed(method, made.file) == b"secret"
    assert np.array_equal(made.picture.pixels[:, :256], photo[:, :256])


def plain_covers():
    """Pictures in which a wrong colour would be seen at once."""
    y, x = np.mgrid[:96, :96]
    text = np.where(small_photo(96, 96)[..., :1] > 128, 255, 0).repeat(3, axis=2)
    grain = np.random.default_rng(0).integers(0, 4, (96, 96, 1))
    flag = np.stack([np.full((96, 96), 255), 100 * (x // 32), 60 * (y // 48)], axis=2)
    return {
        "black": np.zeros((96, 96, 3)), "white": np.full((96, 96, 3), 255), "text": text, "flag": flag,
        "red": np.full((96, 96, 3), (255, 0, 0)), "grey": np.full((96, 96, 3), 128),
        "dark grain": grain.repeat(3, axis=2), "light grain": 255 - grain.repeat(3, axis=2),
    }  # fmt: skip


@pytest.mark.parametrize("options", [{"mode": "keep"}, {"top": 3}], ids=str)
@pytest.mark.parametrize("name", list(plain_covers()))
def test_plain_covers_say_that_nothing_fits(method, name, options):
    cover = plain_covers()[name].astype(np.uint8)
    assert method.capacity(request_of(b"", cover, **options)) == 0
    for secret in (b"", b"x"):
        with pytest.raises(CapacityError):
            hidden(method, secret, cover, **options)


@pytest.mark.parametrize("name", ["black", "white", "text", "grey"])
def test_black_white_and_even_covers_are_not_recoloured(method, name):
    with pytest.raises(CapacityError):
        hidden(method, b"", plain_covers()[name].astype(np.uint8))


def test_grey_parts_of_a_photo_stay_grey(method):
    """Whatever the networks would draw there: they are stirred here and know nothing of grey."""
    cover = small_photo(96, 96).copy()
    cover[:64] = cover[:64, :, :1]
    made = hidden(method, bytes(100), cover, mode="keep")
    assert revealed(method, made.file) == bytes(100)
    assert np.array_equal(made.picture.pixels[:56], cover[:56])
    assert (made.picture.pixels[72:] != cover[72:]).any()


@pytest.mark.parametrize("mode", ["keep", "recolour"])
def test_plain_parts_of_a_cover_stay(method, mode):
    """Black, white and, where they are kept, even parts: whatever the networks would draw there."""
    cover = small_photo(96, 96).copy()
    parts = {"black": (slice(0, 20), 0), "white": (slice(20, 41), 255), "red": (slice(41, 60), (255, 0, 0))}
    for rows, colour in parts.values():
        cover[rows] = colour
    made = hidden(method, bytes(100), cover, mode=mode)
    assert revealed(method, made.file) == bytes(100)
    for name, (rows, colour) in parts.items():
        if mode == "keep" or name != "red":
            assert (made.picture.pixels[rows] == colour).all()


def test_a_cover_is_measured_once_and_the_next_one_anew(method, monkeypatch):
    judged = []
    likeliest = senders.likeliest

    def watched(codec, sheet, *rest):
        judged.append(sheet.size)
        return likeliest(codec, sheet, *rest)

    monkeypatch.setattr(senders, "likeliest", watched)
    one, two = Picture(small_photo(64, 72)), Picture(small_photo(72, 64))
    rooms = [method.capacity(Request(cover=c, options=HideOptions())) for c in (one, one, two, one)]
    assert judged == [one.pixels.shape[:2], two.pixels.shape[:2], one.pixels.shape[:2]]
    assert rooms[0] == rooms[1] == rooms[3] != rooms[2]
    smaller = method.capacity(Request(cover=one, options=HideOptions(top=1)))
    assert smaller < rooms[0]
    assert len(judged) == 3


def test_receivers_try_every_grain(method):
    from stegcli.methods.steg_cinn import space

    sheet = method.codec.sheet(*space.split(small_photo()))
    assert sorted(receivers.likeliest(method.codec, sheet, (0, 0, 64), 64)) == sorted(GRAINS)
