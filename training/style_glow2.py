"""Give a flow of glow2 styles and temperatures under which its draws vary as real pictures do.

    python training/style_glow2.py WEIGHTS -o OUT.safetensors --data TEXTURES
        [--base 0.88] [--fine 0.75] [--coarse 1.6] [--rounds 14]

A flow draws the latents of all pictures alike, but those of real pictures are not: in one the latents of a band are
larger throughout, in another smaller, and in several bands at once. 1. This spread of the logarithms of their standard
deviations, beyond that of chance, is measured, and its first principal components become the `style` of each band
(`Pyramid`). Bands whose nets see a wide picture (`COARSE`) get more, all others less, since what these see varies
already. 2. The temperature of each band is moved until the mean logarithm of the standard deviation of its content is
that of real pictures: what a flow draws from its own coarser bands is not what it draws from real ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from stegcli import weights
from stegcli.data import Pictures
from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.method import Glow2
from stegcli.nn.wavelet import Pyramid

STYLES = 6
MEASURED, FITTED, DRAWN = 300, 400, 48
"""Numbers of real pictures for the styles and for the temperatures, and of draws in each round."""
RATE = 0.15
"""How far the logarithm of a temperature follows what is missing: bands react much, and on all coarser ones."""
COARSE = ("y5", "y6", "y7", "y8", "c7", "c8", "c9")


def spreads(flow: Pyramid, x: Tensor) -> Tensor:
    """Pictures -> log of the standard deviation of their latents, by band, (n, bands)."""
    bands = flow.bands(*x.shape[2:])
    read = torch.cat([flow(part)[0] for part in x.split(25)])
    return torch.stack([b.of(read).flatten(1).std(1).log() for b in bands], dim=1)


def contrasts(flow: Pyramid, x: Tensor) -> Tensor:
    """Pictures -> log of the standard deviation of their contents, by band but the base, (n, bands)."""
    names = [b.name for b in flow.bands(*x.shape[2:]) if b.name != "base"]
    found = []
    for part in x.split(25):
        contents = {name: content for name, content, _ in flow.analyse(part)}
        found.append(torch.stack([contents[n].flatten(1).std(1).clamp(min=1e-6).log() for n in names], dim=1))
    return torch.cat(found)


def loadings(told: Tensor, sizes: list[int]) -> Tensor:
    """Logs (n, bands) and the bands' sizes -> how much each of STYLES moves each band, (bands, STYLES)."""
    told = told.double()
    chance = torch.tensor([1 / (2 * n) for n in sizes], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(torch.cov(told.T) - torch.diag(chance))
    return (vectors[:, -STYLES:] * values[-STYLES:].clamp(min=0).sqrt()).flip(1)


def draws(flow: Pyramid, count: int, side: int, seed: int) -> Tensor:
    """Draws as files hold them: in the middle of the levels' cells."""
    z = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    x = torch.cat([flow.inverse(part) for part in z.split(8)])
    return ((256 * x).floor().clamp(0, 255) + 0.5) / 256


def fit(flow: Pyramid, goal: Tensor, side: int, rounds: int) -> None:
    """Move the temperatures of all bands but the base until draws have the contrasts `goal`, (bands,)."""
    names = [b.name for b in flow.bands(side, side) if b.name != "base"]
    for done in range(rounds):
        missing = contrasts(flow, draws(flow, DRAWN, side, done)).mean(0) - goal
        step = RATE * (1 - 0.6 * done / rounds)
        for name, off in zip(names, missing.clamp(-1, 1).tolist(), strict=True):
            flow.heat[name] *= float(torch.tensor(-step * off).exp())
        print(
            f"round {done}: {' '.join(f'{n} {o:+.2f}' for n, o in zip(names, missing.tolist(), strict=True))}",
            flush=True,
        )


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=float, default=0.88, help="temperature of the base")
    parser.add_argument("--fine", type=float, default=0.75, help="what the styles of most bands are multiplied by")
    parser.add_argument("--coarse", type=float, default=1.6, help="the same for wide bands")
    parser.add_argument("--rounds", type=int, default=14)
    o = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", o.weights)
    assert isinstance(method, Glow2)
    flow, side = method.generator(), method.side
    flow.heat, flow.style = {}, {}
    pictures = Pictures(o.data).centres(10_000, side)
    generator = torch.Generator().manual_seed(0)
    some = pictures[torch.randperm(len(pictures), generator=generator)[:FITTED]]
    real = recipe_flow.dequantise(some, torch.rand(some.shape, generator=generator))
    bands = [b for b in flow.bands(side, side) if b.name != "base"]
    told = spreads(flow, real[:MEASURED])[:, :-1]
    for band, row in zip(bands, loadings(told, [b.size for b in bands]).tolist(), strict=True):
        factor = o.coarse if band.name in COARSE else o.fine
        flow.style[band.name] = [round(factor * v, 3) for v in row]
    flow.heat = {b.name: float(mean.exp()) for b, mean in zip(bands, told.mean(0), strict=True)} | {"base": o.base}
    fit(flow, contrasts(flow, real).mean(0), side, o.rounds)
    shape = method.config["g2"] | {"style": flow.style, "heat": {n: round(h, 3) for n, h in flow.heat.items()}}
    facts = {"part": "g2/style", "steps": o.rounds, "seed": 0, "torch": torch.__version__}
    o.output.write_bytes(
        weights.pack("glow2", method.config | {"g2": shape}, dict(method.networks.state_dict()), facts)
    )


if __name__ == "__main__":
    main()
