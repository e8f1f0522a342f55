"""cs-fnns: no network to train or ship, only a key: what decodes is drawn from it, and so is the cover.

    cover, diffusion      the key -> a cover, the same for sender and receiver
    decoder, spectrum     the key -> a random network and its head: perturbation -> picture or numbers
    descriptor, goals     what a stego says of its message; what is sought
    search, robust        the search for a perturbation; the same through JPEG
    paper                 the paper's own search, to be measured against
    detector, evade       a steganalysis network, and stegos that it takes for covers
    sought                what a search is to find for each secret, and what a perturbation says
    method                CsFnns, which brings these together

Reference: Cover-separable Fixed Neural Network Steganography via Deep Generative Models (Guobiao Li, Sheng Li, Zhenxing
Qian, Xinpeng Zhang, ACM Multimedia, 2024). Where and why we differ stands in each module; the greatest differences are
the search (whole levels from the start, thirty times fewer steps), the head (a natural picture's spectrum, and no
outlines) and the covers (grain that hides the perturbation, float64 and a hash).
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions

ABOUT = About(
    name="cs-fnns",
    summary="a picture or any file in a cover that the key draws; nothing is trained but the covers",
    carries=frozenset({"bytes", "picture"}),
    cover="from key",
    numbered=True,
    shares_cover=True,
    most_secrets=4,
    survives=("png", "jpeg:Q", "jpeg:A..B"),
    writes=LOSSLESS | {"JPEG"},
    hide=HideOptions,
    reveal=RevealOptions,
    facets={"domain": "What the drawn covers show: textures."},
    parts=("detector",),
    room="13,749 bytes in 256x256; 2,229 to survive jpeg:75..95",
    reference="Li et al., ACM Multimedia 2024",
)
