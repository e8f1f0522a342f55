"""glow2: a secret becomes an unrelated, generated picture; no cover is modified.

Reference: Robust Generative Steganography Based on Cascaded Glow (IEEE TIFS, 2025).
"""

from stegcli.methods.glow2.method import Glow2, build
from stegcli.methods.glow2.recipe import RECIPES

METHOD = Glow2
TINY = [{"g2": {"widths": [4, 4, 4], "steps": [1, 1, 1]}}]

__all__ = ["METHOD", "RECIPES", "TINY", "build"]
