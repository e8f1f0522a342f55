"""All that can be trained: `stego train cs-fnns --part detector`."""

from typing import Any

from stegcli.methods.cs_fnns.recipe_detector import RECIPE

RECIPES = {"detector": RECIPE}
TINY: list[dict[str, Any]] = [{"g2": {"widths": [4, 4, 4], "steps": [1, 1, 1]}, "detector": {"width": 4}}]
"""Configurations that build and run in milliseconds, for the contract tests."""
