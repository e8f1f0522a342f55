"""Writes a golden stego, its key and the secret for each revision that has none yet. Run once per new revision:

python tests/golden/make.py
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stegcli import api, weights
from stegcli.keys import key as keys
from stegcli.method import BitMethod, Drawn, PictureMethod, Secret, Wish
from stegcli.pictures.channel import Channel
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


def make_lossless(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("lossless-inn", name)
    method = weights.load("lossless-inn", name)
    assert isinstance(method, BitMethod)
    return api.hide_bytes(SECRET, cover(), key, method).file, key


def make_glow2(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("glow2", name)
    method = weights.load("glow2", name)
    assert isinstance(method, PictureMethod)
    wish = Wish(survive=Channel("jpeg", 80))
    return api.make([Secret(SECRET)], [key], method, wish).file, key


def make_cs_fnns(name: str) -> tuple[bytes, keys.Key]:
    key = keys.generate("cs-fnns", name)
    method = weights.load("cs-fnns", name)
    assert isinstance(method, PictureMethod)
    for form, number, wish in CS_FNNS:
        secret = Secret(SECRET, cover()) if form == "picture" else Secret(SECRET)
        made = api.make([secret], [key], method, replace(wish, size=(128, 128), drawn=Drawn(number=number)))
        (HERE / f"{name}-{form}.png").write_bytes(made.file)
    return api.make([Secret(SECRET)], [key], method, Wish(size=(128, 128))).file, key


CS_FNNS = (("picture", 1, Wish()), ("jpeg", 2, Wish(survive=Channel("jpeg", 85))))
MAKERS = {"lossless-inn": make_lossless, "glow2": make_glow2, "cs-fnns": make_cs_fnns}


def main() -> None:
    (HERE / "secret.txt").write_bytes(SECRET)
    for entry in weights.entries():
        path = HERE / f"{entry.name}.png"
        if path.exists():
            continue
        file, key = MAKERS[entry.method](entry.name)
        path.write_bytes(file)
        key.save(HERE / f"{entry.name}.key.npy")


if __name__ == "__main__":
    main()
