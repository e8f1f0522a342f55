"""lossless-inn: any file in the pixels of a photo, given back byte for byte.

Reference: Lossless Image Steganography Based on Invertible Neural Networks (Lianshan Liu, Li Tang, Weimin Zheng,
Entropy 24(12):1762, 2022). What differs from the paper, and why, stands in `net`, `recipe` and `method`.
"""

from stegcli.methods.lossless_inn.method import LosslessInn, build
from stegcli.methods.lossless_inn.recipe import RECIPES

METHOD = LosslessInn
TINY = [
    {"coder": "network", "message": 1, "blocks": 1, "growth": 4, "depth": 2, "periods": [4, 8]},
    {"coder": "network", "message": 3, "blocks": 1, "growth": 4, "depth": 2, "periods": [4, 8]},
    {"coder": "coset"},
    {"coder": "coset", "costs": "density", "width": 2, "side": 3},
]

__all__ = ["METHOD", "RECIPES", "TINY", "build"]
