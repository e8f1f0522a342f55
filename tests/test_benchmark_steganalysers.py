"""Programs of others that look for LSB replacement: what is handed to them, and what is read from them."""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import _steganalysers as steganalysers
import tell_tales

HEAD = (
    "File name,Above stego threshold?,Secret message size in bytes (ignore for clean files),"
    "Primary Sets,Chi Square,Sample Pairs,RS analysis,Fusion (mean)"
)
REPORT = f"""
{HEAD}
00001.png,true,7012,0.5,0.25,0.75,1.0,0.625
00000.png,false,12,NaN,null,0.01,0.03,0.02
"""


def png(*levels: int) -> bytes:
    """One level for each channel."""
    buffer = io.BytesIO()
    pixels = np.broadcast_to(np.array(levels, np.uint8), (8, 8, len(levels)))
    Pillow.fromarray(pixels[..., 0] if len(levels) == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_report_of_stegexpose_is_read_in_the_order_of_its_files():
    """It lists files in any order, and writes null for a detector that failed."""
    found = steganalysers.reported(REPORT)
    assert np.isnan(found["StegExpose primary sets"][0])
    assert np.isnan(found["StegExpose chi-square"][0])
    assert {name: one[1].tolist() for name, one in found.items()} == {
        "StegExpose primary sets": [0.5], "StegExpose chi-square": [0.25], "StegExpose sample pairs": [0.75],
        "StegExpose RS": [1.0], "StegExpose fused": [0.625],
    }  # fmt: skip


def test_aletheia_sees_each_colour_of_each_picture(tmp_path):
    """A stand-in that tells the level of a channel."""
    (tmp_path / "aletheialib").mkdir()
    stand_in = "def spa_image(image, channel):\n    return image[0, 0, channel] / 2\n"
    (tmp_path / "aletheialib" / "attacks.py").write_text(stand_in)
    found = steganalysers.aletheia(str(tmp_path))([png(2, 4, 6), png(9)])
    assert found["aletheia"].tolist() == [[1, 2, 3], [4.5, 4.5, 4.5]]


def test_pairs_that_an_estimator_says_nothing_of_are_left_out():
    def tool(pictures):
        """Red and blue, except of the darkest."""
        levels = np.array([steganalysers.colours(p)[0, 0, ::2] for p in pictures], float)
        return {"level": np.where(levels < 5, np.nan, levels)}

    pairs = [(png(10, 0, 10), png(12, 0, 10)), (png(1, 0, 10), png(9, 0, 10))]
    assert tell_tales.moved(pairs, tool)["level"].tolist() == [1.0]


def test_stegos_are_kept_for_a_longer_run(tmp_path):
    made = []

    def run(file):
        made.append(file)
        return file + b" with a message"

    for _ in range(2):
        keep = tell_tales.kept(run, tmp_path / "cache", 100)
        assert [keep(b"one"), keep(b"two")] == [b"one with a message", b"two with a message"]
    tell_tales.kept(run, tmp_path / "cache", 200)(b"one")
    assert made == [b"one", b"two", b"one"]
