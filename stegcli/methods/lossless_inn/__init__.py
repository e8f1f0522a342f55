"""lossless-inn: any file in the pixels of a photo, given back byte for byte.

Reference: Lossless Image Steganography Based on Invertible Neural Networks (Lianshan Liu, Li Tang, Weimin Zheng,
Entropy 24(12):1762, 2022). What differs from the paper, and why, stands in `net`, `recipe`, `network` and `coset`.
"""

from stegcli.about import About
from stegcli.methods.lossless_inn.options import HideOptions

ABOUT = About(
    name="lossless-inn",
    summary="any file in the pixels of your own picture, exactly, hard to detect",
    carries=frozenset({"bytes"}),
    cover="given",
    hide=HideOptions,
    facets={
        "coder": "What carries the bits: coset (default, hard to detect) or network (the paper's, for comparison)."
    },
    parts=("1bpp", "3bpp", "density"),
    reference="Liu, Tang, Zheng, Entropy 2022",
)
