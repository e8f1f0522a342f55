"""glow2: a secret becomes an unrelated, generated picture; no cover is modified.

    torus, header, bits, cascade   secrets <-> latents, exactly N(0, 1) whatever they carry
    layout, descriptor             which latents carry what; what the header says of it
    noise, inverse                 a picture that arrived -> its latents, and what each is still worth
    pictures                       pictures <-> latents
    sr                             the upscaler of a picture that came as latents
    sender, receiver               a message into a draft, and a picture that arrived back to it
    method                         Glow2, which brings these together
    rivals                         what glow2 is compared with: the paper's own module, plain Glow, Swin2SR, refiner
    recipe*, measure*              how the parts are trained, what is measured of them

Reference: JPEG Compression-Resistant Generative Image Hiding Utilizing Cascaded Invertible Networks (Qin, Feng, Zhou,
Zhang, Xia, Weng, Lu, IEEE TIFS, 2025). Where and why we differ stands in each module; the greatest differences are the
generators (wavelet flows in place of plain Glow) and the pad (on the torus, where the paper's leaks).
"""

from stegcli.about import LOSSLESS, About
from stegcli.methods.glow2.options import HideOptions

ABOUT = About(
    name="glow2",
    summary="a secret becomes an unrelated, generated picture that survives JPEG; no cover is needed",
    carries=frozenset({"bytes", "picture"}),
    cover="generated",
    most_secrets=4,
    survives=("png", "jpeg:Q", "jpeg:A..B"),
    writes=LOSSLESS | {"JPEG"},
    hide=HideOptions,
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
    room="9,439 bytes in 128x128; 1,357 to survive jpeg:80",
    reference="Qin et al., IEEE TIFS 2025",
)
