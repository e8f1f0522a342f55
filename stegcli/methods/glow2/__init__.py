"""glow2: a secret becomes an unrelated, generated picture; no cover is modified.

    torus, header, bits, cascade   secrets <-> latents, exactly N(0, 1) whatever they carry
    layout, descriptor             which latents carry what; the header's description of it
    noise, inverse                 received picture -> its latents, and how reliable each latent is
    pictures                       pictures <-> latents
    sr                             the upscaler of a picture that travelled as latents
    rule                           whether a draw may be given away, by what it would carry for random keys
    sender, receiver               message -> draft; received picture -> message
    method                         Glow2, which joins these modules
    rivals                         networks for comparison: the paper's module, plain Glow, Swin2SR, a refiner
    recipe*, measure*              training and measuring of the parts

Reference: JPEG Compression-Resistant Generative Image Hiding Utilizing Cascaded Invertible Networks (Qin, Feng, Zhou,
Zhang, Xia, Weng, Lu, IEEE TIFS, 2025). Each module says where and why it differs. The main differences are the
generators (wavelet flows in place of plain Glow) and the pad (on the torus; the paper's pad leaks the secret).
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.glow2.options import HideOptions, SampleOptions

ABOUT = About(
    name="glow2",
    summary="hide a picture or file in a newly generated picture that survives JPEG; needs no cover",
    carries=frozenset({"bytes", "picture"}),
    cover="generated",
    most_secrets=4,
    survives=("png", "jpeg:Q", "jpeg:A..B"),
    writes=LOSSLESS | {"JPEG"},
    default_format="JPEG",  # blocks of 8x8 show a little in what it draws; in a JPEG they are natural
    hide=HideOptions,
    draws=True,
    sample=SampleOptions,
    facets={"domain": "What the generated picture shows: textures or landscapes."},
    parts=(
        "g2",
        "g2-landscapes",
        "g1",
        "inverse",
        "refiner",
        "sr",
        "sr-swin2sr",
        "udm",
        "glow",
    ),
    room="9,081 bytes in 128x128; 1,576 to survive jpeg:80",
    reference="Qin et al., IEEE TIFS 2025",
)
