import sys
import warnings

import numpy as np
import pytest
from cli_helpers import photo

from stegcli.pictures import brisque


def test_without_its_package_there_is_no_score(monkeypatch):
    monkeypatch.setitem(sys.modules, "brisque", None)
    assert brisque.scorer() is None


def test_noise_looks_less_natural_than_a_photo():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own imports
        score = brisque.scorer()
    if score is None:
        pytest.skip("the extra brisque is not installed")
    natural = photo(128, 128)
    noisy = np.clip(natural + np.random.default_rng(0).normal(0, 30, natural.shape), 0, 255).astype(np.uint8)
    assert score(noisy) > score(natural) + 10
