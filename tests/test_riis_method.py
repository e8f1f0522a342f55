"""Riis as `api` uses it: secrets of every kind, several receivers, what is refused."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow
from riis_helpers import KEY, OTHER, payload, photo, recoded

from stegcli import api
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.method import Asked, Request, Secret
from stegcli.methods.riis import libjpeg, luma, method
from stegcli.methods.riis.method import build
from stegcli.methods.riis.options import HideOptions, RevealOptions
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.image import Picture


def request(*secrets: Secret, survive: str = "jpeg:75", side: int = 128, **options: object) -> Request:
    keys = (KEY, OTHER)[: len(secrets)]
    return Request(secrets, keys, Picture(photo(side)), channel.parse_survive(survive), HideOptions(**options))


def jpeg_file(pixels: np.ndarray, quality: int) -> Picture:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return image.decode(buffer.getvalue())


def asked(key=KEY, **options: object) -> Asked:
    return Asked(key, None, RevealOptions(**options))


@pytest.mark.parametrize("survive", ["png", "jpeg:75", "jpeg:75..95"])
def test_a_file_comes_back_to_the_byte_and_the_channel_is_found(survive: str) -> None:
    riis = build()
    hidden = api.hide(request(Secret(payload(40)), survive=survive, psnr=40.0), riis)
    assert api.reveal(image.decode(hidden.file), riis, asked())[0].data == payload(40)
    if survive != "png":
        arrived = jpeg_file(hidden.picture.pixels, 75)
        assert api.reveal(arrived, riis, asked())[0].data == payload(40)
        assert api.reveal(Picture(recoded(hidden.picture.pixels, 75)), riis, asked(distortion=survive))[0].data


@pytest.mark.parametrize("quality", [60, 90])
def test_a_file_comes_back_from_lossy_webp(quality: int) -> None:
    riis = build()
    hidden = api.hide(request(Secret(payload(8)), survive=f"webp:{quality}", side=192, psnr=38.0), riis)
    arrived = image.decode(channel.compressed(hidden.picture.pixels, "WEBP", quality))
    assert not np.array_equal(arrived.pixels, hidden.picture.pixels)
    assert api.reveal(arrived, riis, asked())[0].data == payload(8)
    with pytest.raises(CapacityError):
        api.hide(request(Secret(payload(20_000)), survive=f"webp:{quality}", side=192, psnr=38.0), riis)


def test_a_picture_comes_back_as_good_as_the_room_allows() -> None:
    riis, secret = build(), Picture(photo(96, "chelsea"))
    hidden = api.hide(request(Secret(image.encode(secret), secret)), riis)
    (psnr,) = hidden.psnrs
    back = api.reveal(jpeg_file(hidden.picture.pixels, 75), riis, asked())[0].picture
    assert back is not None
    assert metrics.psnr(secret.pixels, back.pixels) == pytest.approx(psnr)
    assert psnr > 22
    assert hidden.draft.forms == ("compressed",)


def test_every_receiver_gets_their_own() -> None:
    riis = build()
    hidden = api.hide(request(Secret(payload(20, 1)), Secret(payload(30, 2)), survive="png"), riis)
    stego = image.decode(hidden.file)
    assert api.reveal(stego, riis, asked(distortion="png"))[0].data == payload(20, 1)
    assert api.reveal(stego, riis, asked(OTHER, distortion="png"))[0].data == payload(30, 2)


def test_a_jpeg_is_written_and_verified() -> None:
    riis = build()
    asking = request(Secret(payload(40)), survive="png")
    asking = Request(asking.secrets, asking.keys, asking.cover, asking.survive, asking.options, "JPEG", 80)
    hidden = api.hide(asking, riis)
    assert hidden.file[:2] == b"\xff\xd8"
    assert api.reveal(image.decode(hidden.file), riis, asked())[0].data == payload(40)


def test_a_jpeg_is_read_from_its_coefficients_where_colours_clip() -> None:
    """A contrast that saturates: what decoding clips is still in the file."""
    pixels = np.clip((photo(128).astype(int) - 128) * 2 + 128, 0, 255).astype(np.uint8)
    arrived = jpeg_file(pixels, 75)
    seen = method._seen(arrived, asked())
    assert seen.levels is not None
    assert np.array_equal(seen.levels, libjpeg.quantised(luma.to_blocks(pixels), libjpeg.table(75)))
    assert not np.array_equal(seen.levels, libjpeg.quantised(seen.blocks, libjpeg.table(75)))


def bright(side: int = 192) -> np.ndarray:
    """Red near 255 and blue near 0 all over, with a little noise: decoding clips them."""
    green, rng = photo(side)[..., 1], np.random.default_rng(0)
    ends = [level + rng.normal(0, 4, green.shape) for level in (250, 2)]
    pixels: np.ndarray = np.stack([ends[0], green, ends[1]], axis=-1).clip(0, 255).astype(np.uint8)
    return pixels


@pytest.mark.parametrize("quality", [75, 90])
def test_a_cover_of_saturated_colours_holds_what_is_promised(quality: int) -> None:
    """Where nothing can be foreseen of the rounding, the lattice serves in its place."""
    riis, survive = build(), channel.parse_survive(f"jpeg:{quality}")
    asks = Request(keys=(KEY,), cover=Picture(bright()), survive=survive, options=HideOptions())
    data = payload(riis.capacity(asks))
    assert len(data) > 100
    made = api.hide(replace(asks, secrets=(Secret(data),)), riis)
    (back,) = riis.reveal(jpeg_file(made.picture.pixels, quality), asked())
    assert back.data == data


def test_another_key_and_the_cover_reveal_nothing() -> None:
    riis = build()
    hidden = api.hide(request(Secret(payload(40))), riis)
    for stego, key in ((hidden.picture, OTHER), (Picture(photo(128)), KEY)):
        with pytest.raises(RevealError):
            api.reveal(stego, riis, asked(key, distortion="jpeg:75"))


def test_alpha_stays() -> None:
    riis, alpha = build(), np.full((128, 128), 200, np.uint8)
    cover = Picture(photo(128), alpha)
    hidden = api.hide(Request((Secret(b"x"),), (KEY,), cover, channel.parse_survive("png"), HideOptions()), riis)
    assert np.array_equal(hidden.picture.alpha, alpha)


def test_what_cannot_be_is_refused() -> None:
    riis = build()
    with pytest.raises(CapacityError) as refused:
        api.hide(request(Secret(payload(9000))), riis)
    assert refused.value.need >= 9000
    with pytest.raises(FileError, match="at least 64x64"):
        api.hide(request(Secret(b"x"), side=56), riis)
    for value, survive in ((255, "jpeg:75"), (0, "jpeg:75..95"), (0, "png")):
        even = Picture(np.full((128, 128, 3), value, np.uint8))
        on_even = Request((Secret(b"x"),), (KEY,), even, channel.parse_survive(survive), HideOptions())
        assert riis.capacity(on_even) <= 0
        with pytest.raises(CapacityError, match="capacity 0 bytes"):
            api.hide(on_even, riis)
    six = (Secret(b"x"),) * 6
    with pytest.raises(UsageError, match="at most 5 secrets"):
        api.hide(Request(six, (KEY,) * 6, Picture(photo(64)), channel.parse_survive("png"), HideOptions()), riis)
    with pytest.raises(UsageError, match="does not survive resize"):
        api.hide(request(Secret(b"x"), survive="resize:0.5"), riis)
    with pytest.raises(UsageError, match="no stego for JPEG 20"):
        api.hide(request(Secret(b"x"), survive="jpeg:20"), riis)
    with pytest.raises(UsageError, match="does not survive noise:30"):
        api.hide(request(Secret(b"x"), survive="noise:30"), riis)
    with pytest.raises(UsageError):
        RevealOptions(distortion="resize:0.5")
    with pytest.raises(UsageError):
        api.hide(request(Secret(b"no picture"), travel="compressed"), riis)
