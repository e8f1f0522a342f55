"""How the networks are trained, part by part.

fine, coarse   levels 1 to 3, and those above
cinn           the paper's own flow, for comparison
"""

from __future__ import annotations

from stegcli.methods.steg_cinn import recipe_coarse, recipe_fine
from stegcli.methods.steg_cinn.rivals import recipe_cinn

RECIPES = {"fine": recipe_fine.RECIPE, "coarse": recipe_coarse.RECIPE, "cinn": recipe_cinn.RECIPE}
TINY = [
    {"fine": {"width": 4, "split": []}, "coarse": {"width": 4, "features": 4}},
    {"fine": {"width": 4, "split": [1, 2]}},
]
