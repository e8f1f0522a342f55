from stegcli.methods.steg_cinn.method import StegCinn, build
from stegcli.methods.steg_cinn.recipe import RECIPES

METHOD = StegCinn
TINY = [{"fine": {"width": 4}}]

__all__ = ["METHOD", "RECIPES", "TINY", "build"]
