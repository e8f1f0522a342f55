"""What was hidden with a released revision must reveal for ever: bytes, a picture, and bytes through JPEG."""

import runpy
from pathlib import Path

import pytest

from stegcli import api, weights
from stegcli.keys import key as keys
from stegcli.method import Asked, Method
from stegcli.methods.cs_fnns.options import RevealOptions
from stegcli.pictures import image, metrics

GOLDEN = Path(__file__).parent / "golden"
REVISIONS = [e.name for e in weights.entries("cs-fnns")]


def revealed(name, form="", quality=None):
    """Written once by `tests/golden/make.py`; if this fails, the format has changed: give it a new name instead."""
    key = keys.load(GOLDEN / f"{name}.key.npy")
    method = weights.load(key.method, key.weights)
    assert isinstance(method, Method)
    stego = image.load(GOLDEN / f"{name}{form}.png")
    arrived = image.decode(image.encode(stego, "JPEG", quality)) if quality else stego
    (found,) = api.reveal(arrived, method, Asked(key, options=RevealOptions()))
    return found


@pytest.mark.parametrize("name", REVISIONS)
def test_bytes(name):
    assert revealed(name).data == (GOLDEN / "secret.txt").read_bytes()


@pytest.mark.parametrize("name", REVISIONS)
def test_pictures(name):
    truth = runpy.run_path(str(GOLDEN / "make.py"))["cover"]().pixels
    back = revealed(name, "-picture")
    small = image.resized(truth, back.picture.pixels.shape[1], back.picture.pixels.shape[0])
    assert metrics.psnr(small, back.picture.pixels) > 30


@pytest.mark.parametrize("name", REVISIONS)
@pytest.mark.parametrize("quality", [None, 85])
def test_bytes_through_jpeg(name, quality):
    assert revealed(name, "-jpeg", quality).data == (GOLDEN / "secret.txt").read_bytes()


def test_every_revision_has_its_golden_stegos():
    files = ("{}.key.npy", "{}.png", "{}-picture.png", "{}-jpeg.png")
    assert all((GOLDEN / f.format(name)).exists() for name in REVISIONS for f in files)
