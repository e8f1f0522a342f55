"""How the networks are trained, part by part."""

from __future__ import annotations

from stegcli.methods.steg_cinn import recipe_coarse, recipe_fine

RECIPES = {"fine": recipe_fine.RECIPE, "coarse": recipe_coarse.RECIPE}
TINY = [
    {"fine": {"width": 4, "split": []}, "coarse": {"width": 4, "features": 4}},
    {"fine": {"width": 4, "split": [1, 2]}},
]
