"""lossless-inn: hides any file in a photo, in its pixels or its JPEG coefficients, and reveals it byte for byte.

Reference: Lossless Image Steganography Based on Invertible Neural Networks (Lianshan Liu, Li Tang, Weimin Zheng,
Entropy 24(12):1762, 2022). `net`, `recipe`, `network` and `coset` say what differs from the paper, and why.
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.lossless_inn.options import EvaluateOptions, HideOptions

ABOUT = About(
    name="lossless-inn",
    summary="hide any file in your own picture or JPEG photo; it comes back exactly and is hard to detect",
    carries=frozenset({"bytes"}),
    cover="given",
    writes=LOSSLESS | {"JPEG"},
    keeps_jpeg=True,
    hide=HideOptions,
    evaluate=EvaluateOptions,
    facets={
        "coder": "How bits are hidden: coset (default, hard to detect) or network (the paper's; for comparison, not "
        "secret)."
    },
    parts=("1bpp", "3bpp", "density"),
    room="147,394 bytes in 768x512 (3 bits per pixel)",
    reference="Liu, Tang, Zheng, Entropy 2022",
)
