"""A small search for lossless-inn: candidates of the network coder, each trained a few minutes, at one net payload.

    python training/search_lossless_inn.py --train TRAIN --val VAL [--minutes 2] [--keep DIR] ROW...
    python training/search_lossless_inn.py --val VAL ROW...    rows that need no training: shipped weights, coset, LSB
    python training/search_lossless_inn.py                     the names of the rows

Prints rows of docs/research/search-lossless-inn.md. The PSNR is of the stego that `hide` would write, file to pixels:
with the method's own choice of code, its mending, and the secret come back byte for byte. What does not come back is
counted as failed, and is in no mean.

All candidates get the same seconds of one core (process time, which other work on the machine hardly touches), the same
seed and the same crops. `--keep` keeps what was trained, and does not train it again.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stegcli import api, slots, weights
from stegcli.coding import ldpc, payload
from stegcli.coding.payload import Plan
from stegcli.data import Pictures, load_pictures
from stegcli.keys.key import Key
from stegcli.measuring.bits import lsb_replacement
from stegcli.method import Asked, Draft
from stegcli.methods.lossless_inn import mending, recipe
from stegcli.methods.lossless_inn.net import COLOURS, BlindNet
from stegcli.methods.lossless_inn.network import NetworkCoder
from stegcli.nn import tensors
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Stage, Step, seeded
from stegcli.schedule import schedule, set_rate
from stegcli.slots import BitMethod

METHOD = "lossless-inn"
DECAYS = (0.999, 0.99, 0.0)
"""Of the averages of the weights: the shipped recipe's, a short one, none. One training gives all three."""
SHIPPED = recipe.RECIPES["1bpp"]
WEIGHT = (0.005, 0.05)  # of the change, as in the shipped recipe's first stage
BATCH = 1
"""In place of the recipe's 4: in so few minutes the number of steps is what decides."""


# -- networks that the shipped modules cannot express


class ResidualBlock(nn.Module):
    """A dense block's place with convolutions of one width, each added to what came before it."""

    def __init__(self, inputs: int, outputs: int, width: int = 20, depth: int = 5):
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 2))
        self.last = _zeroed(nn.Conv2d(width, outputs, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.inner:
            x = x + layer(F.leaky_relu(x, 0.2))
        return self.last(F.leaky_relu(x, 0.2))


class WideKernels(nn.Module):
    """A dense block of 5x5 convolutions; three layers cost what five of 3x3 do."""

    def __init__(self, inputs: int, outputs: int, growth: int = 12, depth: int = 3):
        super().__init__()
        widths = [growth] * (depth - 1) + [outputs]
        self.layers = nn.ModuleList(nn.Conv2d(inputs + i * growth, w, 5, padding=2) for i, w in enumerate(widths))
        _zeroed(self.layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.2)], dim=1)
        return self.layers[-1](x)


class HaarNet(BlindNet):
    """The couplings see the orthonormal Haar transform of the cover, 12 planes, and the bits of each 2x2 as 4."""

    def __init__(self, **config):
        super().__init__(message=4, **config)
        self.message = 1
        for coupling in self.couplings:
            coupling.inputs = 4 * COLOURS
            growth = config["growth"]
            coupling.net_a = type(coupling.net_a)(4, 4 * COLOURS, growth, config["depth"])
            coupling.net_m.block = type(coupling.net_m.block)(
                4 * COLOURS * (1 + 2 * len(config["periods"])), 8, growth, config["depth"]
            )
        self.reach *= 2

    def embed(self, cover: Tensor, message: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([haar(cover), F.pixel_unshuffle(message, 2)], dim=1)
        for coupling in self.couplings:
            x, _ = coupling(x)
        return haar_inverse(x[:, : 4 * COLOURS]), F.pixel_shuffle(x[:, 4 * COLOURS :], 2)

    def read(self, stego: Tensor, z: Tensor | None = None) -> Tensor:
        planes = haar(stego)
        x = torch.cat([planes, torch.zeros_like(planes[:, :4])], dim=1)
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)
        return 4 * F.pixel_shuffle(x[:, 4 * COLOURS :], 2)


class SpreadNet(BlindNet):
    """Each bit goes over the four slots of its 2x2 pixels, as a row of the Hadamard matrix: still one bit a pixel."""

    def embed(self, cover: Tensor, message: Tensor) -> tuple[Tensor, Tensor]:
        return super().embed(cover, spread(message))

    def read(self, stego: Tensor, z: Tensor | None = None) -> Tensor:
        return spread(super().read(stego, z))


class ConstantNet(BlindNet):
    """The receiver's z is another constant than 0."""

    def __init__(self, start: float, learnt: bool, **config):
        super().__init__(**config)
        self.constant = nn.Parameter(torch.tensor(start), requires_grad=learnt)

    def read(self, stego: Tensor, z: Tensor | None = None) -> Tensor:
        return super().read(stego, self.constant.expand_as(stego[:, : self.message]) if z is None else z)


HADAMARD = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2


def spread(message: Tensor) -> Tensor:
    """(b, 1, h, w) -> (b, 1, h, w), its own inverse: the orthonormal Hadamard transform of each 2x2."""
    four = F.pixel_unshuffle(message, 2)
    return F.pixel_shuffle(torch.einsum("ij,bjhw->bihw", HADAMARD, four), 2)


def haar(levels: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, 4 c, h / 2, w / 2), orthonormal."""
    planes = F.pixel_unshuffle(levels, 2).unflatten(1, (-1, 4))
    return torch.einsum("ij,bcjhw->bcihw", HADAMARD, planes).flatten(1, 2)


def haar_inverse(planes: Tensor) -> Tensor:
    four = torch.einsum("ij,bcjhw->bcihw", HADAMARD, planes.unflatten(1, (-1, 4)))
    return F.pixel_shuffle(four.flatten(1, 2), 2)


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """So that a coupling around it starts as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


# -- candidates


@dataclass(frozen=True)
class Candidate:
    """A coder, how it is trained, and which average of its weights is measured."""

    build: Callable[[], NetworkCoder]
    stages: tuple[Stage, ...]
    trained_as: str | None = None  # the row whose training this one shares
    decay: float = DECAYS[0]


CONFIG = {"blocks": 4, "growth": 12, "depth": 5, "periods": (4, 8, 16)}


class SearchedCoder(NetworkCoder):
    """The shipped recipe's coder, with the network that `net` makes of a configuration."""

    def __init__(self, net: Callable[..., BlindNet], config: dict):
        super().__init__(weakest_code=SHIPPED.config["weakest_code"], message=config.get("message", 1))
        self._make = lambda: net(**config)

    def build_networks(self) -> nn.Module:
        return nn.ModuleDict({"net": self._make()})


def coder(net: Callable[..., BlindNet] = BlindNet, **changes) -> Callable[[], NetworkCoder]:
    """The shipped recipe's coder, with another network or configuration."""
    return lambda: SearchedCoder(net, CONFIG | changes)


def with_blocks(block: Callable[[int, int], nn.Module], reach: int) -> Callable[[], NetworkCoder]:
    """reach: pixels to each side that a block sees."""

    def net(**config) -> BlindNet:
        made = BlindNet(**config)
        for coupling in made.couplings:
            coupling.net_a = block(1, COLOURS)
            coupling.net_m.block = block(COLOURS * (1 + 2 * len(config["periods"])), 2)
        made.reach = 2 * reach * config["blocks"]
        return made

    return coder(net)


def stage(
    weight: tuple[float, float] = WEIGHT, margin: float = 0.0, noise: bool = False, crop: int = 64, batch: int = BATCH
) -> tuple[Stage, ...]:
    """The shipped recipe's first stage with one thing changed."""

    def loss(method: NetworkCoder, images: Tensor, step: Step) -> dict[str, Tensor]:
        message = step.noise.bits(method.net.message, *images.shape[2:])
        stego = method.net.embed(images * 255, message)[0]
        stego = (stego + step.noise.uniform(*images.shape[1:]) - 0.5) if noise else tensors.quantise(stego / 255) * 255
        log_odds = method.net.read(stego) * message
        rise = min(1.0, max(0.0, step.progress - 0.1) / 0.5)
        change = (stego - images * 255).square().mean()
        return {
            "bits": F.softplus(margin - log_odds).mean(),
            "change": (weight[0] + (weight[1] - weight[0]) * rise) * change,
        }

    return (replace(SHIPPED.stages[0], loss=loss, crop=crop, batch=batch),)


FIRST, SECOND = (replace(s, batch=BATCH) for s in SHIPPED.stages)
BASE = (FIRST,)
CANDIDATES = {
    "base": Candidate(coder(), BASE),
    "blocks 2": Candidate(coder(blocks=2), BASE),
    "blocks 6": Candidate(coder(blocks=6), BASE),
    "growth 8": Candidate(coder(growth=8), BASE),
    "growth 24": Candidate(coder(growth=24), BASE),
    "residual": Candidate(with_blocks(ResidualBlock, 5), BASE),
    "haar": Candidate(coder(HaarNet, growth=24), BASE),
    "kernel 5": Candidate(with_blocks(WideKernels, 6), BASE),
    "spread": Candidate(coder(SpreadNet), BASE),
    "3 slots": Candidate(coder(message=3), (replace(recipe.RECIPES["3bpp"].stages[0], batch=BATCH),)),
    "weight 0.05 at once": Candidate(coder(), stage(weight=(0.05, 0.05))),
    "weight to 0.15": Candidate(coder(), stage(weight=(0.005, 0.15))),
    "noise": Candidate(coder(), stage(noise=True)),
    "crop 32": Candidate(coder(), stage(crop=32, batch=4 * BATCH)),
    "crop 128": Candidate(coder(), stage(crop=128)),
    "batch 4": Candidate(coder(), SHIPPED.stages[:1]),
    "margin 2": Candidate(coder(), stage(margin=2.0)),
    "z learnt": Candidate(coder(lambda **c: ConstantNet(0.0, True, **c)), BASE),
    "both stages": Candidate(coder(), (FIRST, SECOND)),
    "z 1": Candidate(coder(lambda **c: ConstantNet(1.0, False, **c)), BASE),
    "average 0.99": Candidate(coder(), BASE, "base", 0.99),
    "no average": Candidate(coder(), BASE, "base", 0.0),
}


# -- training, as the loop of stegcli.training does it, paced by process time


def trained(candidate: Candidate, pictures: Pictures, seconds: float, seed: int) -> tuple[dict[float, dict], int]:
    """-> the averages of the weights, and how many steps were made."""
    method, networks = seeded(candidate.build, seed)
    averages = {d: _copy(networks) for d in DECAYS}
    total, whole = 0, sum(s.steps for s in candidate.stages)
    for part in candidate.stages:
        optimizer = torch.optim.Adam(networks.parameters(), lr=part.lr, betas=part.betas)
        spent, budget = 0.0, seconds * part.steps / whole
        while spent < budget:
            noise = Noise.of(seed, total, range(part.batch))
            images = pictures.batch(noise, part.crop)  # decoding counts for nobody: the first to come pays for all
            started = time.process_time()
            _step(method, part, images, Step(noise, spent / budget), optimizer)
            total += 1
            for decay, average in averages.items():
                _follow(average, networks, min(decay, (1 + total) / (10 + total)))
            spent += time.process_time() - started
    return averages, total


def _step(method: NetworkCoder, part: Stage, images: Tensor, step: Step, optimizer: torch.optim.Optimizer) -> None:
    set_rate(optimizer, part.lr * schedule(step.progress))
    terms = part.loss(method, images, step)
    optimizer.zero_grad(set_to_none=True)
    torch.stack([t for n, t in terms.items() if not n.startswith("_")]).sum().backward()
    norm = nn.utils.clip_grad_norm_(method.net.parameters(), part.clip)
    if torch.isfinite(norm):
        optimizer.step()


def _copy(networks: nn.Module) -> dict[str, Tensor]:
    return {n: t.detach().clone() for n, t in networks.state_dict().items()}


def _follow(average: dict[str, Tensor], networks: nn.Module, decay: float) -> None:
    for name, value in networks.state_dict().items():
        average[name].lerp_(value, 1 - decay)


def kept_or_trained(name: str, options: argparse.Namespace, pictures: Pictures) -> tuple[NetworkCoder, int]:
    """The coder of a row, with the weights that it is measured with, and how many steps these took."""
    candidate = CANDIDATES[name]
    shared = f"{candidate.trained_as or name}-{options.minutes:g}-minutes-seed-{options.seed}"
    file = options.keep and options.keep / f"{shared.replace(' ', '-')}.safetensors"
    if not (file and file.exists()):
        averages, steps = trained(candidate, pictures, 60 * options.minutes, options.seed)
        state = {f"{d}/{n}": t for d, a in averages.items() for n, t in a.items()} | {"steps": torch.tensor(steps)}
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(state, file)
    else:
        state = load_file(file)
    method = candidate.build()
    prefix = f"{candidate.decay}/"
    held = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    method.tensors = lambda: held
    return method, int(state["steps"])


# -- measuring


Send = Callable[[slots._Sender], Iterator[Draft]]
"""A message on its way -> the stegos that are tried."""


@torch.no_grad()
def measured(method: BitMethod, covers: list[Picture], bpp: float, send: Send = slots._Sender.drafts) -> str:
    """-> PSNR, the worst of them, how many came back exactly, wrong bits before the code, its rates, seconds."""
    psnrs, wrong, rates, seconds = [], [], [], []
    for index, cover in enumerate(covers):
        data = np.random.default_rng(index).bytes(int(bpp * cover.width * cover.height / 8))
        key = Key(METHOD, "search", bytes(32))
        started = time.process_time()
        # Not api.hide, which after a failure looks for what would fit.
        sender = slots._Sender(method, data, cover, key)
        hidden = next((d for d in send(sender) if sender.reveals(d)), None)
        seconds.append(time.process_time() - started)
        if hidden and _revealed(image.encode(hidden.picture), key, method) == data:
            psnrs.append(metrics.psnr(cover.pixels, hidden.picture.pixels))
            wrong.append(hidden.measured["wrong_bits"])
            rates.append(str(ldpc.RATES[int(hidden.measured["code"])]))
    exact = f"{len(psnrs)} of {len(covers)}"
    if not psnrs:
        return f"failed | | {exact} | | | {np.mean(seconds):.1f}"
    used = ", ".join(f"{len(list(g))} at {r}" for r, g in itertools.groupby(sorted(rates)))
    return (
        f"{np.mean(psnrs):.2f} | {min(psnrs):.2f} | {exact} | {100 * np.mean(wrong):.2f} % | {used} | "
        f"{np.mean(seconds):.1f}"
    )


def _revealed(file: bytes, key: Key, method: BitMethod) -> bytes | None:
    (revealed,) = api.reveal(image.decode(file), method, Asked(key))
    return revealed.data


def by(code: int, mend: bool) -> Send:
    """One try alone: that code, mended or not."""

    def send(sender: slots._Sender) -> Iterator[Draft]:
        natural = slots.hard(sender.method.log_odds(sender.cover, sender.key))
        yield sender._draft(code, payload.write(sender.data, sender.key, natural, code), mend)

    return send


@contextmanager
def mending_with(**constants) -> Iterator[None]:
    before = {n: getattr(mending, n) for n in constants}
    vars(mending).update(constants)
    try:
        yield
    finally:
        vars(mending).update(before)


# -- rows without training


class EverywhereCoder(NetworkCoder):
    """The network's stego throughout, also where the cover already reads right."""

    def carry(self, plan: Plan, cover: Picture, key: Key) -> Picture:
        stego = self.embed(tensors.to_levels(cover.pixels), self._target(plan, cover))
        return replace(cover, pixels=tensors.from_levels(stego))


def shipped(send: Send = slots._Sender.drafts, revision: str = "1bpp", everywhere: bool = False, **constants):
    def row(covers: list[Picture], bpp: float) -> str:
        method = weights.load(METHOD, revision)
        if everywhere:
            method.__class__ = EverywhereCoder
        with mending_with(**constants):
            return measured(method, covers, bpp, send)

    return row


def lsb(covers: list[Picture], bpp: float) -> str:
    def psnr(index: int, cover: Picture) -> float:
        bits = int(bpp * cover.width * cover.height)
        stego = lsb_replacement(cover.pixels, bits, np.random.default_rng(index))
        return metrics.psnr(cover.pixels, stego)

    psnrs = [psnr(i, c) for i, c in enumerate(covers)]
    return f"{np.mean(psnrs):.2f} | {min(psnrs):.2f} | {len(covers)} of {len(covers)} | | |"


MENDED = by(1, mend=True)  # at rate 31/32, where mending has most to do
UNTRAINED = {
    "coset": shipped(revision="coset-1"),
    "LSB": lsb,
    "1bpp": shipped(),
    "3bpp": shipped(revision="3bpp"),
    "everywhere": shipped(everywhere=True),
    **{f"rate {ldpc.RATES[c]}, mended": shipped(by(c, mend=True)) for c in range(5)},
    **{f"rate {ldpc.RATES[c]}, not mended": shipped(by(c, mend=False)) for c in range(1, 5)},
    **{f"rounds {n}": shipped(MENDED, ROUNDS=n) for n in (3, 12)},
    "step 2": shipped(MENDED, STEP=2),
    **{f"window {n}": shipped(MENDED, WINDOW=n) for n in (3, 7)},
    **{f"margin {m}": shipped(MENDED, MARGIN=m) for m in (0.1, 0.5, 1.0)},
}


def trained_row(name: str, options: argparse.Namespace, pictures: Pictures, covers: list[Picture]) -> str:
    method, steps = kept_or_trained(name, options, pictures)
    with torch.no_grad():
        raw = recipe.validate(method, Pictures(options.val).centres(SHIPPED.pictures, SHIPPED.side))
    size = sum(p.numel() for p in method.net.parameters()) // 1000
    every = f"{100 * raw['wrong_bits']:.2f} % | {raw['psnr']:.2f}"
    return f"{size} k | {steps} | {every} | {measured(method, covers, options.payload)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--payload", type=float, default=0.5)
    parser.add_argument("--covers", type=int, default=6)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(arguments)
    if not options.rows:
        print(f"trained: {'; '.join(CANDIDATES)}\nnot trained: {'; '.join(UNTRAINED)}")
        return
    pictures = Pictures(options.train) if options.train else None
    covers = load_pictures(options.val, options.covers, "cover", lambda p: p)
    for name in options.rows:
        if name in CANDIDATES:
            figures = trained_row(name, options, pictures, covers)
        else:
            figures = UNTRAINED[name](covers, options.payload)
        print(f"| {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
