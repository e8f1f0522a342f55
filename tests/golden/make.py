"""Writes a golden stego, its key and the secret for each revision that has none yet. Run once per new revision:

python tests/golden/make.py
"""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli import api, weights
from stegcli.keys import key as keys
from stegcli.method import Request, Secret
from stegcli.methods.cs_fnns.options import HideOptions as CsFnnsOptions
from stegcli.methods.glow2.options import HideOptions as Glow2Options
from stegcli.methods.lossless_inn.options import HideOptions as LosslessOptions
from stegcli.methods.riis.options import HideOptions as RiisOptions
from stegcli.methods.steg_cinn.options import HideOptions as StegCinnOptions
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

HERE = Path(__file__).parent
SECRET = b"What was hidden last year must reveal next year.\n"


def cover() -> Picture:
    """A drawn picture: a gradient, a disc, a little grain."""
    y, x = np.mgrid[:96, :96]
    disc = ((x - 48) ** 2 + (y - 40) ** 2 < 500) * 60
    grain = np.random.default_rng(0).integers(-6, 7, (96, 96, 3))
    picture = np.stack([x + 60, y + 80, x // 2 + y // 2 + 40], axis=2) + disc[..., None] + grain
    return Picture(picture.clip(0, 255).astype(np.uint8))


def secret_picture() -> Picture:
    """Another drawn picture: two waves and an edge."""
    y, x = np.mgrid[:96, :96]
    waves = np.stack([np.sin(x / (9 + 2 * c)) + np.cos(y / (13 - 2 * c)) for c in range(3)], axis=2)
    return Picture((128 + 40 * waves + 30 * (x > y)[..., None]).clip(0, 255).astype(np.uint8))


def made(request: Request, key: keys.Key) -> bytes:
    return api.hide(replace(request, keys=(key,)), weights.load(key.method, key.weights)).file


def jpeg_cover() -> Picture:
    """The drawn picture as a JPEG: optimised tables, 4:2:0."""
    buffer = io.BytesIO()
    Pillow.fromarray(cover().pixels).save(buffer, "JPEG", quality=90, optimize=True)
    return image.decode(buffer.getvalue())


def make_lossless(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("lossless-inn", name)
    if name.startswith("coset"):
        request = Request((Secret(SECRET),), cover=jpeg_cover(), options=IN_JPEG, format="JPEG")
        (HERE / f"{name}.jpg").write_bytes(made(request, key))
    return made(Request((Secret(SECRET),), cover=cover(), options=LosslessOptions()), key), key


def make_glow2(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("glow2", name)
    return made(Request((Secret(SECRET),), survive=(parse("jpeg:80"),), options=Glow2Options()), key), key


def make_cs_fnns(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("cs-fnns", name)
    for form, channel in CS_FNNS.items():
        secret = Secret(SECRET, cover()) if form == "picture" else Secret(SECRET)
        options = CsFnnsOptions(size=(128, 128))
        file = made(Request((secret,), survive=(parse(channel),), options=options), key)
        (HERE / f"{name}-{form}.png").write_bytes(file)
    return made(Request((Secret(SECRET),), options=CsFnnsOptions(size=(128, 128))), key), key


def make_steg_cinn(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("steg-cinn", name)
    for form, options in STEG_CINN.items():
        file = made(Request((Secret(SECRET),), cover=cover(), options=options), key)
        (HERE / f"{name}-{form}.png").write_bytes(file)
    return made(Request((Secret(SECRET),), cover=cover(), options=StegCinnOptions()), key), key


def make_riis(name: str) -> tuple[bytes, None]:
    """The network's stego of a picture in a picture; its form has no key."""
    picture = secret_picture()
    secret = Secret(image.encode(picture), picture)
    request = Request((secret,), cover=cover(), options=RiisOptions("network"))
    return api.hide(request, weights.load("riis", name)).file, None


IN_JPEG = LosslessOptions(payload_limit=0.4)
CS_FNNS = {"picture": "png", "jpeg": "jpeg:85"}
STEG_CINN = {"recolour": StegCinnOptions(mode="recolour"), "gap": StegCinnOptions(top=3, bits=1, gap=0.1)}
MAKERS = {
    "lossless-inn": make_lossless,
    "glow2": make_glow2,
    "cs-fnns": make_cs_fnns,
    "steg-cinn": make_steg_cinn,
    "riis": make_riis,
}
WITHOUT = ("coded-1", "pair-1")
"""Revisions without a golden stego of this kind."""


def main() -> None:
    (HERE / "secret.txt").write_bytes(SECRET)
    for entry in weights.entries():
        path = HERE / f"{entry.name}.png"
        if path.exists() or entry.name in WITHOUT:
            continue
        file, key = MAKERS[entry.method](entry.name)
        path.write_bytes(file)
        if key is not None:
            key.save(HERE / f"{entry.name}.key.npy")


if __name__ == "__main__":
    main()
