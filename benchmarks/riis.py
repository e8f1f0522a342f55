"""What riis carries through each channel, on real files, and what else the stego stands.

    python benchmarks/riis.py --covers DIR [--first 3500] [--count 8] [--case jpeg:75@42] ... [--mosaics | --squares]
        [--asked-only]

Covers are 512x512: scikit-image's astronaut, coffee, chelsea and rocket, then mosaics of four photos of DIR each, in
the order of their names from the photo of that number on. A case is a channel and the stego's PSNR. For each cover
the payload is random and as large as the capacity says; where it does not come through its channel, the next stronger
protection with its smaller room is taken, as `stego hide` does. Printed: payload and PSNR, mean and least; how many
of the covers came through; and through what else, that was not asked for. `--mosaics` leaves scikit-image's pictures
out, `--squares` takes the pictures of DIR as they are, 512x512 each (`unseen_photos.py` makes some), `--asked-only`
leaves out what was not asked for. `--case pictures` hides each cover in the one before it instead, for each channel
of the paper's tables, and says what a second JPEG of the same quality leaves (`again`); `--case pictures:jpeg:90` for
one channel. `--case network` and `--case network:jpeg:90` do so by the network, with the weights of `--weights`.
`--case rivals` gives the covers to tools of others, where these are installed.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from stegcli import methods, weights
from stegcli.errors import RevealError
from stegcli.keys import key as keys
from stegcli.methods.riis import choice, libjpeg, measure, rivals
from stegcli.methods.riis.carrier import Carrier, Seen
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.order import Share
from stegcli.pictures import channel, metrics

CASES = ("png@48", "jpeg:90@42", "jpeg:80@42", "jpeg:75@42", "jpeg:40@42", "jpeg:75..95@42", "jpeg:40..95@40",
         "noise:1@44", "noise:5@40", "noise:10@38", "crop@42")  # fmt: skip
SIDE = 512
KNOWN = ("astronaut", "coffee", "chelsea", "rocket")
CUTS = tuple((slice(top, -5), slice(left, -20)) for top, left in ((13, 11), (3, 5), (8, 16)))
Attack = Callable[[np.ndarray], Seen]


def main() -> None:
    arguments = parse_arguments()
    covers = list(asked_covers(arguments))
    key = keys.generate("riis", "coded-1")
    for case in arguments.case or CASES:
        if case.startswith(("pictures", "network")):
            report_pictures(covers, case, arguments.weights)
            continue
        if case == "rivals":
            for name, row in rivals.compared(covers, seed=0).items():
                print(f"{name}: {row or 'not installed'}", flush=True)
            continue
        name, _, psnr = case.partition("@")
        report(name, float(psnr), covers, key, besides=not arguments.asked_only)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covers", required=True)
    parser.add_argument("--first", type=int, default=3500)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--case", action="append")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--mosaics", action="store_true")
    kinds.add_argument("--squares", action="store_true")
    parser.add_argument("--asked-only", action="store_true")
    parser.add_argument("--weights", default="network")
    return parser.parse_args()


def asked_covers(arguments: argparse.Namespace) -> Iterator[np.ndarray]:
    folder = Path(arguments.covers)
    if not arguments.squares:
        return all_covers(folder, arguments.first, arguments.count, () if arguments.mosaics else KNOWN)
    files = sorted(folder.glob("*.png"))[: arguments.count]
    return (np.asarray(Pillow.open(f).convert("RGB")) for f in files)


def all_covers(folder: Path, first: int, count: int, known: tuple[str, ...] = KNOWN) -> Iterator[np.ndarray]:
    from skimage import data

    for name in known[:count]:
        pixels = getattr(data, name)()[..., :3]
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = Pillow.fromarray(pixels[top : top + side, left : left + side])
        yield np.asarray(square.resize((SIDE, SIDE), Pillow.Resampling.LANCZOS))
    files = sorted(p for p in folder.iterdir() if p.is_file())[first:]
    for i in range(max(0, count - len(known))):
        four = [np.asarray(Pillow.open(f).convert("RGB").resize((SIDE // 2,) * 2)) for f in files[4 * i : 4 * i + 4]]
        yield np.concatenate([np.concatenate(four[:2], axis=1), np.concatenate(four[2:], axis=1)])


def report(name: str, psnr: float, covers: list[np.ndarray], key: keys.Key, besides: bool) -> None:
    survive = channel.parse_survive(name)
    asked = [attack for c in survive for attack in sent(c)]
    others = list(afterwards(survive)) if besides else []
    sizes, qualities, seconds, passed = [], [], [], {label: 0 for label, _ in others}
    for index, cover in enumerate(covers):
        start = time.process_time()
        found = carried(survive, psnr, cover, index, key, asked)
        seconds.append(time.process_time() - start)
        if found is None:
            continue
        carrier, data, stego = found
        sizes.append(len(data))
        qualities.append(metrics.psnr(cover, stego))
        for label, attack in others:
            passed[label] += comes_back(carrier, attack(stego), key, data)
    count = len(covers)
    what = f"{name} at {psnr:g} dB: {len(sizes)} of {count} covers"
    if sizes:
        what += f", bytes {np.mean(sizes):.0f} (least {min(sizes)})"
        what += f", PSNR {np.mean(qualities):.2f} (least {min(qualities):.2f})"
    print(f"{what}, {np.mean(seconds):.1f} s of CPU", flush=True)
    if passed:
        print("   besides: " + ", ".join(f"{label} {n}" for label, n in passed.items()), flush=True)


def report_pictures(covers: list[np.ndarray], case: str, named: str) -> None:
    form, _, only = case.partition(":")
    method = methods.build("riis") if form == "pictures" else weights.load("riis", named)
    for name in [only] if only else measure.STEGO if form == "pictures" else measure.NETWORK:
        with method.inference(hiding=True):
            row = measure.through(method, covers, name, seed=0)
        print(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in row.items()), flush=True)


def carried(
    survive: tuple[channel.Channel, ...], psnr: float, cover: np.ndarray, index: int, key: keys.Key, asked: list[Attack]
) -> tuple[Carrier, bytes, np.ndarray] | None:
    """The first carrier that brings as much as it has room for through everything that was asked for."""
    for first in choice.for_sender(survive):
        carrier: Carrier | None = first
        while carrier is not None:
            room = carrier.room(cover, 1, psnr)
            if room > 0:
                data = np.random.default_rng(index).bytes(room)
                stego = carrier.hide(cover, [Letter(data, key)], psnr)
                if all(comes_back(carrier, attack(stego), key, data) for attack in asked):
                    return carrier, data, stego
            carrier = carrier.stronger()
    return None


def comes_back(carrier: Carrier, seen: Seen, key: keys.Key, data: bytes) -> bool:
    try:
        return carrier.reveal(seen, key, Share()) == data
    except RevealError:
        return False


def sent(one: channel.Channel) -> list[Attack]:
    """A channel -> stego's pixels to what is seen behind it; several crops."""
    if one.kind == "jpeg":
        return [lambda pixels: compressed(pixels, round(one.strength))]
    if one.kind == "crop":
        return [lambda p, cut=cut, q=q: compressed(np.ascontiguousarray(p[cut]), q) for cut in CUTS for q in (75, 85)]
    return [lambda pixels: Seen(one(pixels, np.random.default_rng(0)))]


def afterwards(survive: tuple[channel.Channel, ...]) -> Iterator[tuple[str, Attack]]:
    """What else happens to such files."""
    kind = channel.pattern(survive)
    quality = round(survive[0].strength)
    if kind == "jpeg:Q":
        yield "full colours", lambda p: compressed(p, quality, subsampling=0)
        yield "same quality again", lambda p: compressed(compressed(p, quality).pixels, quality)
        yield "PNG of it", lambda p: Seen(compressed(p, quality).pixels)
        for by in (-2, -1, 1, 2):
            yield f"then quality {by:+d}", lambda p, by=by: compressed(compressed(p, quality).pixels, quality + by)
        for by in (-1, 1):
            yield f"only quality {by:+d}", lambda p, by=by: compressed(p, quality + by)
    if kind == "jpeg:A..B":
        middle = (quality + 95) // 2 + 1
        yield f"JPEG {middle}", lambda p: compressed(p, middle)
        yield "PNG of it", lambda p: Seen(compressed(p, middle).pixels)
        yield "JPEG twice", lambda p: compressed(compressed(p, middle).pixels, quality + 7)
        yield "noise 2", lambda p: Seen(channel.parse("noise:2")(p, np.random.default_rng(0)))
        yield "WebP 80", lambda p: Seen(recoded(p, "WEBP", 80))


def compressed(pixels: np.ndarray, quality: int, subsampling: int = 2) -> Seen:
    return Seen(recoded(pixels, "JPEG", quality, subsampling=subsampling), libjpeg.table(quality))


def recoded(pixels: np.ndarray, format: str, quality: int, **options: int) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format, quality=quality, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


if __name__ == "__main__":
    main()
