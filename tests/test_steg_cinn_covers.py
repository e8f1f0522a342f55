import io

import numpy as np
from PIL import Image
from skimage import data

from stegcli.methods.steg_cinn import covers, space


def decoded_jpeg(pixels, quality=90):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def uniform(n):
    return np.random.default_rng(0).random(n)


def test_a_decoded_jpeg_is_told_from_other_pictures():
    photo = np.ascontiguousarray(data.astronaut()[:256, :256])
    assert covers.share_of_jpeg(photo) < 0.5
    for quality in (50, 90, 100):
        assert covers.share_of_jpeg(decoded_jpeg(photo, quality)) > 0.95
    assert covers.share_of_jpeg(np.full((64, 64, 3), 9, np.uint8)) == 0


def test_filled_cells_are_those_of_no_decoder_and_of_the_same_colours():
    photo = decoded_jpeg(np.ascontiguousarray(data.astronaut()[:128, :128]))
    filled = covers.fill_cells(photo, uniform(photo.size).reshape(photo.shape))
    assert covers.share_of_jpeg(filled) < 0.5
    assert np.abs(filled.astype(int) - photo).max() <= 2


def test_prepared_covers_keep_their_luminance_and_exist():
    for photo in (data.astronaut()[:128, :128], data.astronaut()[:128, :128] // 12):
        jpeg = decoded_jpeg(np.ascontiguousarray(photo), 95)
        cover = covers.prepare(jpeg, uniform)
        assert cover.filled
        assert np.array_equal(cover.grey, space.split(jpeg)[0])
        assert space.exists(cover.grey, cover.colours).all()
        assert np.abs(cover.colours - space.split(jpeg)[1]).max() <= 6


def test_other_covers_are_left_alone():
    photo = np.ascontiguousarray(data.astronaut()[:64, :64])
    cover = covers.prepare(photo, uniform)
    assert not cover.filled
    assert not cover.colourless
    assert np.array_equal(cover.colours, space.split(photo)[1])
    grey = covers.prepare(np.repeat(photo[..., :1], 3, axis=2), uniform)
    assert grey.colourless
    assert not grey.filled


def test_grain_leaves_the_luminance_and_stays_in_the_gamut():
    rng = np.random.default_rng(1)
    grey, colours = space.split(data.astronaut()[:128, :128] // 3)
    grained = covers.add_grain(grey, colours, rng.normal(0, 1.0, (128, 128, 3)))
    assert space.exists(grey, grained).all()
    assert 1.0 < (grained - colours).std() < 1.8  # of a difference: sqrt(2), less where the gamut is narrow


def test_large_covers_are_prepared_piece_by_piece_and_white_stays_white(monkeypatch):
    photo = np.ascontiguousarray(data.astronaut()[:64, :64]).copy()
    photo[20:40] = 255
    jpeg = decoded_jpeg(photo)
    whole = covers.prepare(jpeg, uniform)
    monkeypatch.setattr(space, "PIECE", 500)
    split = covers.prepare(jpeg, uniform)
    assert whole.filled
    assert np.array_equal(split.grey, whole.grey)
    assert space.exists(split.grey, split.colours).all()
    assert (split.colours != whole.colours).any()  # every piece takes numbers of its own
    white = (jpeg == 255).all(axis=2)
    assert white.sum() > 500
    assert not split.colours[:, white].any()
