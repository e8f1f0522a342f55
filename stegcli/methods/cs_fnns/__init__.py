"""cs-fnns: the key alone draws the decoder network, which is not trained, and the cover.

    cover, diffusion      the key -> a cover, the same for sender and receiver
    decoder, spectrum     the key -> a random network and its head: perturbation -> picture or numbers
    descriptor, goals     the description of a message in its stego; the aims of a search
    search, robust        the search for a perturbation; the same through JPEG
    paper                 the paper's own search, for comparison
    detector, evade       a steganalysis network, and stegos that it takes for covers
    sought                secret -> goals of the search; perturbation -> secret
    method                CsFnns, which joins these modules

Reference: Cover-separable Fixed Neural Network Steganography via Deep Generative Models (Guobiao Li, Sheng Li, Zhenxing
Qian, Xinpeng Zhang, ACM Multimedia, 2024). Each module says where and why it differs. The main differences are the
search (integer levels from the start, thirty times fewer steps), the head (the spectrum of a natural picture, no
outlines) and the covers (grain that hides the perturbation, float64 arithmetic and a hash).
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions, SampleOptions

ABOUT = About(
    name="cs-fnns",
    summary="hide a picture or file in a cover that the key draws; the decoder is not trained",
    carries=frozenset({"bytes", "picture"}),
    cover="from key",
    numbered=True,
    shares_cover=True,
    most_secrets=4,
    survives=("png", "jpeg:Q", "jpeg:A..B"),
    writes=LOSSLESS | {"JPEG"},
    hide=HideOptions,
    reveal=RevealOptions,
    draws=True,
    sample=SampleOptions,
    facets={"domain": "What the drawn covers show: textures."},
    parts=("detector",),
    room="13,749 bytes in 256x256; 2,229 to survive jpeg:75..95",
    reference="Li et al., ACM Multimedia 2024",
)
