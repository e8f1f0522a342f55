"""cs-fnns: no network to train or ship, only a key: what decodes is drawn from it, and so is the cover.

    cover, diffusion      the key -> a cover, the same for sender and receiver
    decoder, spectrum     the key -> a random network and its head: perturbation -> picture or numbers
    descriptor, goals     what a stego says of its message; what is sought
    search, robust        the search for a perturbation; the same through JPEG
    paper                 the paper's own search, to be measured against
    detector, evade       a steganalysis network, and stegos that it takes for covers
    method                CsFnns, which brings these together

Reference: Cover-separable Fixed Neural Network Steganography via Deep Generative Models (Guobiao Li, Sheng Li, Zhenxing
Qian, Xinpeng Zhang, ACM Multimedia, 2024). Where and why we differ stands in each module; the greatest differences are
the search (whole levels from the start, thirty times fewer steps), the head (a natural picture's spectrum, and no
outlines) and the covers (grain that hides the perturbation, float64 and a hash).
"""

from stegcli.methods.cs_fnns.method import CsFnns, build
from stegcli.methods.cs_fnns.recipe_detector import RECIPE

METHOD = CsFnns
RECIPES = {"detector": RECIPE}
TINY = [{"g2": {"widths": [4, 4, 4], "steps": [1, 1, 1]}, "detector": {"width": 4}}]

__all__ = ["METHOD", "RECIPES", "TINY", "build"]
