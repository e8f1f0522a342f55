"""The parts of glow2 that can be trained: `stego train glow2 --part NAME`.

g1, g2, g2-landscapes   the flows; g2/y1 and so on: one band of one
inverse                 the robust inverse of G2 (needs --start WEIGHTS with a trained G2)
refiner                 refines secrets from the cascade (needs --start WEIGHTS with trained G1 and G2)
sr                      the upscaler of revealed pictures
sr-swin2sr              the same with attention, for comparison
udm, glow               the paper's own module and generator, for comparison
"""

from typing import Any

from stegcli.methods.glow2 import recipe_flow, recipe_glow, recipe_inverse, recipe_sr, recipe_udm
from stegcli.methods.glow2.rivals import recipe_refiner

RECIPES = recipe_flow.RECIPES | {
    "inverse": recipe_inverse.RECIPE,
    "refiner": recipe_refiner.RECIPE,
    "sr": recipe_sr.RECIPE,
    "sr-swin2sr": recipe_sr.SWIN2SR,
    "udm": recipe_udm.RECIPE,
    "glow": recipe_glow.RECIPE,
}

TINY: list[dict[str, Any]] = [{"g2": {"widths": [4, 4, 4], "steps": [1, 1, 1]}}]
"""Configurations that build and run in milliseconds, for tests of the interface."""
