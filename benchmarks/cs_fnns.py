"""Cs-FNNS: the paper's setting against ours, in one run: seconds, PSNR of stego and secret.

    python benchmarks/cs_fnns.py --photos DIR [--limit 4] [--side 256] [--paper-steps 1500]
    python benchmarks/cs_fnns.py --photos DIR --receivers
    python benchmarks/cs_fnns.py --photos DIR --wrong
    python benchmarks/cs_fnns.py --bytes

Secrets are photos made half the side of the cover (a quarter in robust rows). All goes through the package: a cover
drawn from a key, the file's bytes, and what the receiver gets of them; no denoiser. --receivers: 2 to 4 of them.
--wrong: what other keys read, and how much covers may differ. --bytes: wrong bits before the code, full payloads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from stegcli import api, image, metrics, weights
from stegcli import key as keys
from stegcli.channel import parse
from stegcli.console import table
from stegcli.data import load_pictures
from stegcli.image import Picture
from stegcli.key import Key
from stegcli.method import Secret, Wish
from stegcli.methods.cs_fnns import CsFnns, decoder, goals
from stegcli.methods.cs_fnns import method as cs_fnns
from stegcli.methods.cs_fnns.search import deviation, search

COLUMNS = ["setting", "stego dB", "secret dB", "least", "seconds", "speed-up"]


def fresh_keys(count: int) -> list[Key]:
    first = keys.generate("cs-fnns", weights.default_name("cs-fnns"))
    return [first, *(keys.beside(first) for _ in range(count - 1))]


def secrets_of(photos: list[Picture], side: int) -> list[Secret]:
    return [Secret(b"", Picture(image.resized(p.pixels, side, side))) for p in photos]


def measured(method: CsFnns, groups: list[list[Secret]], wish: Wish) -> tuple[float, float, float, float]:
    """-> means of the stego's and the secrets' PSNR, the least of these, and seconds of one hiding, its check included.

    In robust rows the secrets' PSNR is what the real JPEG left.
    """
    stegos, found, seconds = [], [], []
    for group in groups:
        held = fresh_keys(len(group))
        began = time.perf_counter()
        made = api.make(group, held, method, wish)
        seconds.append(time.perf_counter() - began)
        stegos.append(made.cover_psnr or 0.0)
        found += [f for f in (made.psnrs if wish.survive.kind == "png" else after(made, group, held, method, wish))]
    return float(np.mean(stegos)), float(np.mean(found)), float(np.min(found)), float(np.mean(seconds))


def after(made: api.Made, group: list[Secret], held: list[Key], method: CsFnns, wish: Wish) -> Iterator[float]:
    file = image.encode(made.picture, "JPEG", round(wish.survive.strength))
    for secret, key in zip(group, held, strict=True):
        back = api.reveal_picture(image.decode(file), key, method).picture
        assert back is not None
        assert secret.picture is not None
        yield metrics.psnr(secret.picture.pixels, back.pixels)


def compare(method: CsFnns, photos: list[Picture], side: int, paper_steps: int) -> None:
    inner, size = secrets_of(photos, side // 2), (side, side)
    settings = [
        ("paper's decoder and search", Wish(size=size, decoder="paper", steps=paper_steps, travel="picture")),
        *((f"ours, {p:g} dB, {s} steps", Wish(size=size, psnr=p, steps=s)) for p, s in
          ((41.9, 40), (41.9, 100), (41.9, 200), (46.0, 200), (50.0, 200))),
    ]  # fmt: skip
    rows: list[list[str]] = []
    paper = None
    method._ground(settings[0][1].drawn, fresh_keys(1)[0], 0, side, side)  # what is imported and loaded once
    for name, wish in settings:
        stego, secret, least, seconds = measured(method, [[s] for s in inner], wish)
        paper = paper or seconds
        rows.append([name, f"{stego:.2f}", f"{secret:.2f}", f"{least:.2f}", f"{seconds:.2f}", f"{paper / seconds:.0f}"])
    quarter = secrets_of(photos, side // 4)
    for quality in (90, 80):
        wish = Wish(parse(f"jpeg:{quality}"), size=size, psnr=24.8)
        stego, secret, least, seconds = measured(method, [[s] for s in quarter], wish)
        rows.append([f"through JPEG {quality}", f"{stego:.2f}", f"{secret:.2f}", f"{least:.2f}", f"{seconds:.2f}", ""])
    table(f"cs-fnns, {len(photos)} secrets, {side}x{side}, {torch.get_num_threads()} threads", COLUMNS, rows)


def receivers(method: CsFnns, photos: list[Picture], side: int) -> None:
    inner, rows = secrets_of(photos, side // 2), []
    for count in (1, 2, 3, 4):
        groups = [[inner[(i + j) % len(inner)] for j in range(count)] for i in range(len(inner))]
        stego, secret, least, seconds = measured(method, groups, Wish(size=(side, side)))
        rows.append([f"{count} receivers", f"{stego:.2f}", f"{secret:.2f}", f"{least:.2f}", f"{seconds:.2f}", ""])
    table("cs-fnns, several receivers", COLUMNS, rows)


def strangers(method: CsFnns, photos: list[Picture], side: int) -> None:
    """Wrong keys, forced to read the right descriptor; covers drawn with errors of one level."""
    rows = []
    for name, share in (("the right key", 0.0), *((f"+-1 on {100 * s:g} % of the cover", s) for s in (1e-3, 0.01, 0.1))):
        found = [_read_as(method, s, side, share=share)[0] for s in secrets_of(photos, side // 2)]
        rows.append([name, f"{np.mean(found):.2f}", "", ""])
    for name, group in (("a wrong key, the right cover", True), ("a wrong key, its own cover", False)):
        found = [_read_as(method, s, side, wrong=True, group=group) for s in secrets_of(photos, side // 2)]
        psnrs, correlations, activities = np.array(found).T
        rows.append([name, f"{psnrs.mean():.2f}", f"{np.abs(correlations).max():.3f}", f"{np.abs(activities).max():.3f}"])
    table("cs-fnns, what is read", ["read with", "PSNR", "greatest |correlation|", "of activity"], rows)


def _read_as(
    method: CsFnns, secret: Secret, side: int, wrong: bool = False, group: bool = False, share: float = 0.0
) -> tuple[float, float, float]:
    """-> PSNR, correlation with the secret, and correlation of the local activity."""
    (key,) = fresh_keys(1)
    made = api.make([secret], [key], method, Wish(size=(side, side)))
    reader = keys.beside(key) if group else fresh_keys(1)[0] if wrong else key
    found = method.opened(made.picture, key)
    told, cover = found.told, found.cover.pixels
    if wrong and not group:
        cover = method._ground(Wish().drawn, reader, 0, side, side).cover(0.0).pixels
    rng = np.random.default_rng(0)
    error = rng.integers(0, 2, cover.shape) * 2 - 1
    drawn = np.clip(cover + np.where(rng.random(cover.shape) < share, error, 0), 0, 255)
    perturbation = cs_fnns.to_levels(made.picture.pixels) - cs_fnns.to_levels(drawn)
    with torch.no_grad():
        back = image.to_pixels(cs_fnns.decoded(told, perturbation, reader, 0).clamp(0, 1))
    assert secret.picture is not None
    truth = secret.picture.pixels
    return metrics.psnr(truth, back), _alike(truth, back), _alike(_activity(truth), _activity(back))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.reshape(-1).astype(float), other.reshape(-1).astype(float))[0, 1])


def _activity(pixels: np.ndarray) -> np.ndarray:
    """Standard deviation of each 8x8 block's luminance: where a picture has outlines."""
    grey = pixels.mean(2)
    blocks = grey.reshape(grey.shape[0] // 8, 8, grey.shape[1] // 8, 8)
    deviations: np.ndarray = blocks.std(axis=(1, 3))
    return deviations


def bits(side: int) -> None:
    """Wrong bits that the search alone leaves."""
    rows = []
    for count in (1, 2, 3, 4):
        for depth in (1, 2, 3)[: 4 - min(count, 3)]:
            psnr = cs_fnns.PSNRS[count]
            rows.append([str(count), str(depth), f"{psnr:g}", f"{100 * _wrong_bits(side, count, depth, psnr):.3f} %"])
    table("cs-fnns, bytes", ["receivers", "bits in a number", "stego dB", "wrong bits"], rows)


def _wrong_bits(side: int, count: int, depth: int, psnr: float) -> float:
    rng, n = np.random.default_rng(0), decoder.count(side, side)
    nets = [decoder.Numbers(k.stream("decoder")) for k in fresh_keys(count)]
    sent = [rng.integers(0, 2, n * depth).astype(np.uint8) for _ in nets]
    used = torch.ones(n, dtype=torch.bool)
    sought = [goals.BytesGoal(m, goals.to_levels(b, depth), used) for m, b in zip(nets, sent, strict=True)]
    cover = torch.from_numpy(rng.integers(8, 248, (1, 3, side, side)).astype(np.float32))
    with torch.no_grad():
        found = search(sought, [], cover, psnr, cs_fnns.STEPS, rng)
        assert found is not None
        assert found.perturbation.square().mean() <= deviation(psnr) ** 2
        read = [goals.to_log_odds(m(found.perturbation), depth) > 0 for m in nets]
    return float(np.mean([r != s for r, s in zip(read, sent, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--paper-steps", type=int, default=1500)
    parser.add_argument("--receivers", action="store_true")
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--bytes", action="store_true")
    asked = parser.parse_args()
    if asked.bytes:
        bits(asked.side)
        return
    method = weights.load("cs-fnns")
    assert isinstance(method, CsFnns)
    photos = load_pictures(asked.photos, asked.limit, "photo", lambda p: p)
    if asked.receivers:
        receivers(method, photos, asked.side)
    elif asked.wrong:
        strangers(method, photos, asked.side)
    else:
        compare(method, photos, asked.side, asked.paper_steps)


if __name__ == "__main__":
    main()
