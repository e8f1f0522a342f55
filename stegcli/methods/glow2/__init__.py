"""glow2: a secret becomes an unrelated, generated picture; no cover is modified.

    torus, header, bits, cascade   secrets <-> latents, exactly N(0, 1) whatever they carry
    layout, descriptor             which latents carry what; what the header says of it
    noise, inverse                 a picture that arrived -> its latents, and what each is still worth
    compress, pictures             pictures <-> bytes or latents
    refiner, sr, swin2sr           what a picture that came as latents gains afterwards
    method                         Glow2, which brings these together
    udm                            the paper's own module, to be measured against
    recipe*, measure*              how the parts are trained, what is measured of them

Reference: JPEG Compression-Resistant Generative Image Hiding Utilizing Cascaded Invertible Networks (Qin, Feng, Zhou,
Zhang, Xia, Weng, Lu, IEEE TIFS, 2025). Where and why we differ stands in each module; the greatest differences are the
generators (wavelet flows in place of plain Glow) and the pad (on the torus, where the paper's leaks).
"""

from stegcli.methods.glow2.method import Glow2, build
from stegcli.methods.glow2.recipe import RECIPES

METHOD = Glow2
TINY = [{"g2": {"widths": [4, 4, 4], "steps": [1, 1, 1]}}]

__all__ = ["METHOD", "RECIPES", "TINY", "build"]
