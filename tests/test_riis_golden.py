"""What was hidden with a released network of riis must reveal for ever."""

import runpy
from pathlib import Path

from stegcli import api, weights
from stegcli.method import Asked
from stegcli.methods.riis.options import RevealOptions
from stegcli.pictures import image, metrics

GOLDEN = Path(__file__).parent / "golden"


def test_the_network_reveals_its_golden_stego():
    """Written once by `tests/golden/make.py`. Floats differ between machines: the picture is compared by its PSNR."""
    truth = runpy.run_path(str(GOLDEN / "make.py"))["secret_picture"]().pixels
    stego = image.load(GOLDEN / "network-1.png")
    (found,) = api.reveal(stego, weights.load("riis", "network-1"), Asked(None, options=RevealOptions()))
    assert found.picture is not None
    assert metrics.psnr(truth, found.picture.pixels) > 30
