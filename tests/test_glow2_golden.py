"""What was hidden with a released revision must reveal for ever."""

from pathlib import Path

import pytest

from stegcli import api, weights
from stegcli.keys import key as keys
from stegcli.method import Asked, Method
from stegcli.pictures import image

GOLDEN = Path(__file__).parent / "golden"
REVISIONS = [e.name for e in weights.entries("glow2")]


@pytest.mark.parametrize("name", REVISIONS)
def test_golden_stegos_reveal(name):
    """Written once by `tests/golden/make.py`; if this fails, the format has changed: give it a new name instead."""
    key = keys.load(GOLDEN / f"{name}.key.npy")
    method = weights.load(key.method, key.weights)
    assert isinstance(method, Method)
    (revealed,) = api.reveal(image.load(GOLDEN / f"{name}.png"), method, Asked(key))
    assert revealed.data == (GOLDEN / "secret.txt").read_bytes()


@pytest.mark.parametrize("name", REVISIONS)
def test_golden_stegos_survive_jpeg_80(name):
    key = keys.load(GOLDEN / f"{name}.key.npy")
    method = weights.load(key.method, key.weights)
    assert isinstance(method, Method)
    arrived = image.decode(image.encode(image.load(GOLDEN / f"{name}.png"), "JPEG", 80))
    (revealed,) = api.reveal(arrived, method, Asked(key))
    assert revealed.data == (GOLDEN / "secret.txt").read_bytes()


def test_every_revision_has_a_golden_stego():
    assert all((GOLDEN / f"{name}.key.npy").exists() for name in REVISIONS)
