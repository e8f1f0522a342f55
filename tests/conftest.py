"""Fixtures that several modules share."""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

# The tests run one process per core (pytest-xdist): threads of torch would only fight over them. Children inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from stegcli.keys.key import Key

# Keys and nonces are the same in each run, so that a test of their statistics which passes once passes always.
# Subprocesses draw from the operating system as before.
chance = random.Random()
secrets.token_bytes = lambda nbytes=32: chance.randbytes(nbytes)
secrets.randbits = chance.getrandbits
secrets.randbelow = chance.randrange


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> None:
    """Neither the order nor the choice of the tests changes what a fixture draws."""
    chance.seed(fixturedef.argname)


def pytest_runtest_call(item: pytest.Item) -> None:
    chance.seed(item.nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `cuda` are counted as skipped where there is no such device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def photo() -> np.ndarray:
    """A photo, uint8 (128, 128, 3)."""
    return np.ascontiguousarray(skimage.data.astronaut()[:128, 128:256])


@pytest.fixture
def photo_file(photo: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture(scope="session")
def key() -> Key:
    return Key("lossless-inn", "coset-1", bytes(range(32)))
