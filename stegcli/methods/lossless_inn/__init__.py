"""lossless-inn: any file in a photo, in its pixels or in the coefficients of a JPEG, given back byte for byte.

Reference: Lossless Image Steganography Based on Invertible Neural Networks (Lianshan Liu, Li Tang, Weimin Zheng,
Entropy 24(12):1762, 2022). What differs from the paper, and why, stands in `net`, `recipe`, `network` and `coset`.
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.lossless_inn.options import HideOptions

ABOUT = About(
    name="lossless-inn",
    summary="any file in your own picture or JPEG photo, exactly, hard to detect",
    carries=frozenset({"bytes"}),
    cover="given",
    writes=LOSSLESS | {"JPEG"},
    keeps_jpeg=True,
    hide=HideOptions,
    facets={
        "coder": "What carries the bits: coset (default, hard to detect) or network (the paper's, for comparison)."
    },
    parts=("1bpp", "3bpp", "density"),
    room="147,394 bytes in 768x512 (3 bits per pixel)",
    reference="Liu, Tang, Zheng, Entropy 2022",
)
