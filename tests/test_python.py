"""The Python API: its examples run, and paths, bytes and PIL images serve alike."""

from __future__ import annotations

import doctest
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stegcli
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.pictures import image


def test_the_examples_run() -> None:
    for name in ("__doc__", "hide", "keygen", "capacity"):
        text = stegcli.__doc__ if name == "__doc__" else getattr(stegcli, name).__doc__
        assert ">>>" in text, name
    finder = doctest.DocTestFinder(recurse=True)
    (module,) = (t for t in finder.find(stegcli, "stegcli") if t.name == "stegcli")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    space = dict(module.globs)
    for test in [module, *(t for t in finder.find(stegcli, "stegcli") if t.name != "stegcli")]:
        test.globs = space
        runner.run(test, clear_globs=False)
    assert runner.tries >= 8
    assert runner.failures == 0


def test_importing_it_loads_nothing_else() -> None:
    code = "import sys, stegcli; print([m for m in ('torch', 'numpy', 'PIL', 'rich_click') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.fixture
def photo_image(photo: np.ndarray) -> Image.Image:
    return Image.fromarray(photo[:96, :96])


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_paths_bytes_and_images_serve_alike(photo_image: Image.Image, tmp_path: Path) -> None:
    cover, secret, stego = tmp_path / "cover.png", tmp_path / "secret.txt", tmp_path / "out.png"
    cover.write_bytes(encoded(photo_image))
    secret.write_bytes(b"whatever")
    key = stegcli.keygen()
    key.save(tmp_path / "key.npy")
    for source in (cover, str(cover), cover.read_bytes(), photo_image):
        hidden = stegcli.hide(secret, source, key=key)
        assert hidden.cover_psnr is not None
        assert hidden.cover_psnr > 50
        hidden.save(stego, force=True)
        for arrived in (stego, stego.read_bytes(), hidden.picture):
            assert stegcli.reveal(arrived, tmp_path / "key.npy").data == b"whatever"
    with pytest.raises(FileError, match="exists"):
        hidden.save(stego)


def test_a_picture_travels_as_one_where_the_method_carries_pictures(photo_image: Image.Image) -> None:
    hidden = stegcli.hide(photo_image, method="glow2", survive="jpeg:80")
    found = stegcli.reveal(hidden.file, hidden.keys[0])
    assert found.data is None
    assert found.picture is not None
    assert found.picture.size == (96, 96)
    assert hidden.psnrs[0] is not None
    assert hidden.psnrs[0] > 20


@pytest.mark.parametrize(
    ("given", "format"),
    [({}, "JPEG"), ({"survive": "png"}, "PNG"), ({"format": "PNG"}, "PNG"), ({"format": "BMP"}, "BMP")],
)
def test_a_drawn_stego_is_a_jpeg_unless_png_is_asked_for(given: dict[str, str], format: str) -> None:
    hidden = stegcli.hide(b"x", method="glow2", size=(64, 64), **given)
    assert image.format_of(hidden.file) == format
    assert stegcli.reveal(hidden.file, hidden.keys[0]).data == b"x"


def test_several_receivers() -> None:
    hidden = stegcli.hide([b"one", b"two"], method="glow2", size=(128, 128))
    assert [stegcli.reveal(hidden.file, k).data for k in hidden.keys] == [b"one", b"two"]


def test_what_is_wrong_is_told(photo_image: Image.Image) -> None:
    hidden = stegcli.hide(b"x", photo_image)
    with pytest.raises(RevealError):
        stegcli.reveal(hidden.file, stegcli.keygen())
    with pytest.raises(CapacityError):
        stegcli.hide(bytes(10**5), photo_image)
    with pytest.raises(UsageError, match="lossless-inn has no option psnr"):
        stegcli.hide(b"x", photo_image, psnr=40)
    with pytest.raises(UsageError, match="glow2 makes its own picture"):
        stegcli.hide(b"x", photo_image, method="glow2")
    with pytest.raises(UsageError, match="the key is for lossless-inn, not for glow2"):
        stegcli.hide(b"x", key=stegcli.keygen(), method="glow2")
    with pytest.raises(UsageError, match="no key"):
        stegcli.reveal(hidden.file)
    with pytest.raises(UsageError, match="lossless-inn has no domain"):
        stegcli.keygen(domain="textures")
