"""What was hidden with a released revision must reveal for ever: kept colours, all drawn, and the paper's form."""

from pathlib import Path

import pytest

from stegcli import api, weights
from stegcli.keys import key as keys
from stegcli.method import Asked
from stegcli.pictures import image

GOLDEN = Path(__file__).parent / "golden"
REVISIONS = [e.name for e in weights.entries("steg-cinn")]


@pytest.mark.parametrize("form", ["", "-recolour", "-gap"])
@pytest.mark.parametrize("name", REVISIONS)
def test_golden_stegos_reveal(name, form):
    """Written once by `tests/golden/make.py`; if this fails, the format has changed."""
    key = keys.load(GOLDEN / f"{name}.key.npy")
    (found,) = api.reveal(image.load(GOLDEN / f"{name}{form}.png"), weights.load(key.method, key.weights), Asked(key))
    assert found.data == (GOLDEN / "secret.txt").read_bytes()
