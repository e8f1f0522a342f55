"""Writes a golden stego, its key and the secret for each revision that has none yet. Run once per new revision:

python tests/golden/make.py
"""

from pathlib import Path

import numpy as np

from stegcli import api, weights
from stegcli import key as keys
from stegcli.image import Picture

HERE = Path(__file__).parent
SECRET = b"What was hidden last year must reveal next year.\n"


def cover() -> Picture:
    """A drawn picture: a gradient, a disc, a little grain."""
    y, x = np.mgrid[:96, :96]
    disc = ((x - 48) ** 2 + (y - 40) ** 2 < 500) * 60
    grain = np.random.default_rng(0).integers(-6, 7, (96, 96, 3))
    picture = np.stack([x + 60, y + 80, x // 2 + y // 2 + 40], axis=2) + disc[..., None] + grain
    return Picture(picture.clip(0, 255).astype(np.uint8))


def main() -> None:
    (HERE / "secret.txt").write_bytes(SECRET)
    for entry in weights.entries("lossless-inn"):
        path = HERE / f"{entry.name}.png"
        if path.exists():
            continue
        key = keys.generate("lossless-inn", entry.name)
        path.write_bytes(api.hide_bytes(SECRET, cover(), key, weights.load("lossless-inn", entry.name)).file)
        key.save(HERE / f"{entry.name}.key.npy")


if __name__ == "__main__":
    main()
