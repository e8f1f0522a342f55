"""riis: a picture or any file in the user's own photo, through JPEG, noise and crops.

    luma, libjpeg       luminance in blocks; the coefficients that libjpeg will write, bit for bit
    carrier, envelope   what a carrier is; one receiver's message, sealed
    order, salts        which slots are whose, and in which order; where a header lies
    direct              a letter under LDPC codes in the slots of lattices
    known               a JPEG of known quality: `cells` and the `trellis`
    wide, noisy         a range of qualities, little noise: each by a `lattice`
    tiles, search       crops, by a `lattice`; where the tiles lie in what is left
    spread, digits      strong noise; lossless files
    choice              a request -> the carriers to try; what arrived -> the carriers that may have made it
    method              Riis, which brings these together, and `build`
    keyless, net        the paper's form, `--as network`: pictures alone, by an invertible network, without a key

Reference: Robust Invertible Image Steganography (Youmin Xu, Chong Mou, Yujie Hu, Jingfen Xie, Jian Zhang, CVPR 2022).
The paper hides a picture by an invertible network. Here, unless that is asked for, a code carries the bytes of a
compressed picture, or of any file: it is exact, it needs a key, and it was measured to be ahead of the paper's figures
(docs/methods/riis.md).
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.riis.options import SURVIVES, HideOptions, RevealOptions

PARTS = ("network",)
NETWORK = About(
    name="riis",
    summary="a picture in your own photo by the paper's network, without a key",
    carries=frozenset({"picture"}),
    cover="given",
    keyed=False,
    most_secrets=5,
    survives=("png", "jpeg:Q", "noise:S"),
    writes=LOSSLESS | {"JPEG"},
    hide=HideOptions,
    reveal=RevealOptions,
    parts=PARTS,
    reference="Xu et al., CVPR 2022",
    weights="network",
)
ABOUT = About(
    name="riis",
    summary="a picture or any file in your own photo; survives JPEG, noise and crops",
    carries=frozenset({"bytes", "picture"}),
    cover="given",
    most_secrets=5,
    survives=SURVIVES,
    writes=LOSSLESS | {"JPEG"},
    hide=HideOptions,
    reveal=RevealOptions,
    parts=PARTS,
    reference="Xu et al., CVPR 2022",
    forms={"network": NETWORK},
)
