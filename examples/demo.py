"""Hide a real file in a real photo, and a real photo in pictures that are made for it. Run by `make demo`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo"
STEGO = Path(sys.executable).with_name("stego")


def stego(*arguments: str | Path) -> None:
    print("$ stego", *arguments, flush=True)
    subprocess.run([STEGO, *map(str, arguments)], cwd=OUT, check=True)


def residual(cover: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The change, ten times as strong, around middle grey."""
    return (128 + 10 * (hidden.astype(int) - cover)).clip(0, 255).astype(np.uint8)


def in_a_photo() -> None:
    """lossless-inn: a text in a given photo; nothing is to be seen, and it comes back byte for byte."""
    secret = ROOT / "LICENSE"
    cover = data.coffee()
    Image.fromarray(cover).save(OUT / "cover.png")
    for weights in ("coset", "1bpp"):
        out, key, back = f"stego-{weights}.png", f"stego-{weights}.key.npy", f"revealed-{weights}.txt"
        stego("hide", secret, "--cover", "cover.png", "--weights", weights, "-o", out, "--force")
        stego("reveal", out, "--key", key, "-o", back, "--force")
        if (OUT / back).read_bytes() != secret.read_bytes():
            sys.exit(f"{back} differs from {secret}")
        hidden = np.asarray(Image.open(OUT / out))
        sheet = np.concatenate([cover, hidden, residual(cover, hidden)], axis=1)
        Image.fromarray(sheet).save(OUT / f"compare-{weights}.png")
        print(f"{back} equals the secret byte for byte\n")


def in_no_photo() -> None:
    """glow2: a photo becomes another picture, a JPEG file even."""
    secret = Image.fromarray(data.astronaut()).resize((128, 128), Image.Resampling.LANCZOS)
    secret.save(OUT / "secret.png")
    shown = [np.asarray(secret)]
    for out in ("made.png", "made.jpg"):
        back = f"revealed-{Path(out).suffix[1:]}.png"
        stego("hide", "secret.png", "-o", out, "--force")
        stego("reveal", out, "--key", "made.key.npy", "-o", back, "--force")
        shown += [np.asarray(Image.open(OUT / name).convert("RGB")) for name in (out, back)]
    Image.fromarray(np.concatenate(shown, axis=1)).save(OUT / "compare-glow2.png")
    print()


def in_a_drawn_cover() -> None:
    """cs-fnns: a photo in a texture that the key draws; the receiver draws it again, and what is left is the photo."""
    Image.fromarray(data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS).save(OUT / "portrait.png")
    stego("hide", "portrait.png", "--method", "cs-fnns", "-o", "texture.png", "--force")
    stego("reveal", "texture.png", "--key", "texture.key.npy", "-o", "revealed-portrait.png", "--force")
    shown = [
        Image.open(OUT / name).resize((512, 512)) for name in ("portrait.png", "texture.png", "revealed-portrait.png")
    ]
    Image.fromarray(np.concatenate([np.asarray(s.convert("RGB")) for s in shown], axis=1)).save(
        OUT / "compare-cs-fnns.png"
    )
    print()


def main() -> None:
    OUT.mkdir(exist_ok=True)
    in_a_photo()
    in_no_photo()
    in_a_drawn_cover()
    print(f"in {OUT}:")
    for path in sorted(OUT.iterdir()):
        print(f"  {path.name}")
    print("compare-coset.png, compare-1bpp.png: cover, stego and the change x10")
    print("compare-cs-fnns.png: the secret, the stego and what it reveals")
    print("compare-glow2.png: the secret; a stego and what it reveals, as PNG; the same as JPEG 90")


if __name__ == "__main__":
    main()
