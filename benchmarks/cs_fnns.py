"""Cs-FNNS: the paper's setting against ours, in one run: seconds, PSNR of stego and secret.

    python benchmarks/cs_fnns.py --photos DIR [--limit 4] [--side 256] [--paper-steps 1500]
    python benchmarks/cs_fnns.py --photos DIR --ours [--limit 16]
    python benchmarks/cs_fnns.py --bytes

Secrets are photos made half the side of the cover (a quarter in robust rows). All goes through the package: a cover
drawn from a key, the file's bytes, and what the receiver gets of them; no denoiser. --ours leaves the paper's row out,
which takes minutes for each photo. --bytes: wrong bits that the search alone leaves, and full payloads. Several
receivers, wrong keys and covers that differ: `stego evaluate cs-fnns --secrets DIR`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stegcli import api, weights
from stegcli.cli.console import table
from stegcli.data import load_pictures
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.cs_fnns import decoder, goals
from stegcli.methods.cs_fnns import method as cs_fnns
from stegcli.methods.cs_fnns.method import CsFnns
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions
from stegcli.methods.cs_fnns.search import deviation, search
from stegcli.options import ROBUST
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import LOSSLESS, parse, parse_survive
from stegcli.pictures.image import Picture

COLUMNS = ["setting", "stego dB", "secret dB", "least", "seconds", "speed-up"]


def fresh_keys(count: int) -> list[Key]:
    first = keys.generate("cs-fnns", weights.default_name("cs-fnns"))
    return [first, *(keys.beside(first) for _ in range(count - 1))]


def secrets_of(photos: list[Picture], side: int) -> list[Secret]:
    return [Secret(b"", Picture(image.resized(p.pixels, side, side))) for p in photos]


def measured(method: CsFnns, groups: list[list[Secret]], request: Request) -> tuple[float, float, float, float]:
    """-> means of the stego's and the secrets' PSNR, the least of these, and seconds of one hiding, its check included.

    In robust rows the secrets' PSNR is what the real JPEG left.
    """
    stegos, found, seconds = [], [], []
    for group in groups:
        held = fresh_keys(len(group))
        began = time.perf_counter()
        made = api.hide(replace(request, secrets=tuple(group), keys=tuple(held)), method)
        seconds.append(time.perf_counter() - began)
        stegos.append(made.cover_psnr or 0.0)
        lossless = request.harshest == LOSSLESS
        found += made.psnrs if lossless else after(made, group, held, method, round(request.harshest.strength))
    return float(np.mean(stegos)), float(np.mean(found)), float(np.min(found)), float(np.mean(seconds))


def after(made: api.Hidden, group: list[Secret], held: list[Key], method: CsFnns, quality: int) -> Iterator[float]:
    file = image.encode(made.picture, "JPEG", quality)
    for secret, key in zip(group, held, strict=True):
        (revealed,) = api.reveal(image.decode(file), method, Asked(key, options=made.draft.told or RevealOptions()))
        back = revealed.picture
        assert back is not None
        assert secret.picture is not None
        yield metrics.psnr(secret.picture.pixels, back.pixels)


def compare(method: CsFnns, photos: list[Picture], side: int, paper_steps: int | None) -> None:
    """paper_steps: None to leave the paper's row out."""
    inner, size = secrets_of(photos, side // 2), (side, side)
    settings = [
        (f"ours, {p:g} dB, {s} steps", Request(options=HideOptions(size=size, psnr=p, steps=s)))
        for p, s in ((41.9, 40), (41.9, 100), (41.9, 280), (46.0, 280), (50.0, 280))
    ]
    if paper_steps is not None:
        paper_options = HideOptions(size=size, decoder="paper", steps=paper_steps, travel="picture")
        settings.insert(0, ("paper's decoder and search", Request(options=paper_options)))
    rows: list[list[str]] = []
    paper = None
    method.ground(RevealOptions(), fresh_keys(1)[0], 0, side, side)  # what is imported and loaded once
    for name, request in settings:
        stego, secret, least, seconds = measured(method, [[s] for s in inner], request)
        paper = paper or (None if paper_steps is None else seconds)
        gain = "" if paper is None else f"{paper / seconds:.0f}"
        rows.append([name, f"{stego:.2f}", f"{secret:.2f}", f"{least:.2f}", f"{seconds:.2f}", gain])
    quarter = secrets_of(photos, side // 4)
    for quality in (90, 80):
        request = Request(survive=(parse(f"jpeg:{quality}"),), options=HideOptions(size=size, psnr=24.8))
        stego, secret, least, seconds = measured(method, [[s] for s in quarter], request)
        rows.append([f"through JPEG {quality}", f"{stego:.2f}", f"{secret:.2f}", f"{least:.2f}", f"{seconds:.2f}", ""])
    table(f"cs-fnns, {len(photos)} secrets, {side}x{side}, {torch.get_num_threads()} threads", COLUMNS, rows)


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


def payloads(method: CsFnns, side: int, trials: int = 10) -> None:
    """Full payloads of random bytes: how many come back, by PNG and by any JPEG of 75 to 95."""
    rows = []
    for name, survive in (("PNG", "png"), ("any JPEG of 75 to 95", ROBUST)):
        options = HideOptions(size=(side, side), travel="bytes")
        request = Request(survive=parse_survive(survive), options=options)
        room, exact, draws = method.capacity(request), 0, 0
        for seed in range(trials):
            data, (key,) = np.random.default_rng(seed).bytes(room), fresh_keys(1)
            # raises if it does not come back
            made = api.hide(replace(request, secrets=(Secret(data),), keys=(key,)), method)
            (revealed,) = api.reveal(made.picture, method, Asked(key, options=RevealOptions()))
            exact += revealed.data == data
            draws += made.draws
        rows.append([name, str(room), f"{exact} of {trials}", str(draws)])
    table("cs-fnns, full payloads", ["through", "bytes", "came back", "searches"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--paper-steps", type=int, default=1500)
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--bytes", action="store_true")
    asked = parser.parse_args()
    method = weights.load("cs-fnns")
    assert isinstance(method, CsFnns)
    if asked.bytes:
        bits(asked.side)
        payloads(method, asked.side)
        return
    photos = load_pictures(asked.photos, asked.limit, "photo", lambda p: p)
    compare(method, photos, asked.side, None if asked.ours else asked.paper_steps)


if __name__ == "__main__":
    main()
