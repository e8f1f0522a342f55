"""Hide a real file in a real photo, reveal it, compare, and draw what changed. Run by `make demo`."""

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


def main() -> None:
    OUT.mkdir(exist_ok=True)
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
    print(f"in {OUT}:")
    for path in sorted(OUT.iterdir()):
        print(f"  {path.name}")
    print("compare-*.png show cover, stego and the change x10, side by side")


if __name__ == "__main__":
    main()
