"""The ablation of the paper's Table 1: each part of riis's network left out or added, trained for the same time.

    python training/ablate_riis.py --data TRAIN --val VAL --out FOLDER --seconds S [--start WEIGHTS] [--rows NAME...]
        [--device cuda] [--graph] [--batch 16] [--network JSON] [--judges 2] [--pictures 60]

WEIGHTS hold trained linear optima (by default the shipped ones). From these each row trains its couplings for two
thirds of S seconds, and the receiver's apart for the last third; without decoupled tuning the couplings all the time.
Training runs on one device alone, with a JPEG in floats (`riis_on_device`). Each row is then judged by a process of its
own on the CPU: the first pictures of VAL, each hidden in the one before it and sent through the real channel, without
refinement. Printed: dB of stego and secret for each channel, and in brackets the mean gain on the linear optimum with
its standard error, picture by picture.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from flat import Plan, Trainer, line
from on_device import Photos, flipped
from riis_on_device import Way, freeze
from torch import Tensor, nn

from stegcli import methods, weights
from stegcli.data import Pictures
from stegcli.methods.riis import recipe
from stegcli.methods.riis.net import blocks
from stegcli.methods.riis.net.model import Network
from stegcli.methods.riis.net.modulation import DenseNet
from stegcli.recipe import seeded

SIDE = 128
OPEN = 0.6
"""Share of the couplings' time after which a curriculum has all channels."""
BARE: dict[str, Any] = {"depth": 0, "canp": False, "cem": False, "modulated": False, "decoupled": False}


@dataclass(frozen=True)
class Row:
    """changes: to the network's configuration. loop: whether JPEG is in the loop. curriculum: channels from mild to
    harsh. phases: whether nets are told whether a block's row and column are even."""

    changes: dict[str, Any] = field(default_factory=dict)
    loop: bool = True
    curriculum: bool = False
    phases: bool = False


ROWS = {
    "linear": Row(BARE),
    "complete": Row(),
    "without CANP": Row({"canp": False}),
    "without CEM": Row({"cem": False}),
    "without JPEG in the loop": Row(loop=False),
    "with phases": Row(phases=True),
    "with a curriculum": Row(curriculum=True),
    "without DGM": Row({"modulated": False}),
    "without 2DT": Row({"decoupled": False}),
}
PAPER = {
    "without 2DT": "noise:10 27.61, jpeg:40 26.77, jpeg:80 27.55, jpeg:90 27.88, png 42.91",
    "without CANP": "noise:10 27.38, jpeg:40 26.40, jpeg:80 27.28, jpeg:90 27.72, png 42.74",
    "without CEM": "noise:10 27.82, jpeg:40 26.64, jpeg:80 27.46, jpeg:90 27.96, png 43.21",
    "complete": "noise:10 28.08, jpeg:40 27.32, jpeg:80 28.25, jpeg:90 28.71, png 44.19",
}
"""The paper's Table 1, dB of the secret on DIV2K. It has no row without DGM."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, help="fewer, for a try")
    parser.add_argument("--start", default="network")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--network", type=json.loads, default={}, help="changes to the configuration of all rows")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--limit", type=int, help="photos to train on")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--judges", type=int, default=2, help="processes that judge side by side")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--graph", action="store_true", help="record the steps as CUDA graphs")
    parser.add_argument("--judge", choices=ROWS, help="only judge the weights of this row in OUT")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.judge:
        judge(asked)
    else:
        ablate(asked)


def ablate(asked: argparse.Namespace) -> None:
    """Train the rows that have no weights in OUT yet, and judge each beside the training of the next ones."""
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    photos = Photos.read(asked.data, torch.device(asked.device), asked.limit, with_parts=False)
    judges: list[subprocess.Popen[bytes]] = []
    for name in asked.rows:
        if not file_of(asked, name).exists():
            network = built(asked, ROWS[name], torch.device(asked.device))
            steps = 0 if name == "linear" else fit(asked, name, network, photos)
            write(file_of(asked, name), asked, name, network, steps)
        if asked.judges:
            if len(judges) >= asked.judges:
                judges[-asked.judges].wait()
            judges.append(subprocess.Popen([sys.executable, *sys.argv, "--judge", name, "--device", "cpu"]))
    for process in judges:
        process.wait()
    print("the paper, dB of the secret: " + "; ".join(f"{n}: {row}" for n, row in PAPER.items()))


def file_of(asked: argparse.Namespace, name: str) -> Path:
    return cast(Path, asked.out) / f"{name.replace(' ', '-')}.safetensors"


# -- training


def fit(asked: argparse.Namespace, name: str, network: Network, photos: Photos) -> int:
    """Couplings, then the receiver's apart -> steps that were made. Weights on the way lie in OUT/NAME.part."""
    row, device = ROWS[name], photos.full.device
    freeze(network, device)
    ways = {str(c): Way.of(network, c, device) for c in network.channels}
    apart = [p for n, p in network.named_parameters() if n.startswith("apart")]
    flow = list(network.flow.parameters())
    minutes = asked.seconds / 60
    parts = [(flow, minutes * 2 / 3, 1e-3), (apart, minutes / 3, 5e-4)] if apart else [(flow, minutes, 1e-3)]
    done = 0

    def report(trainer: Trainer) -> None:
        told = {"step": float(done + trainer.step), "seconds": trainer.seconds} | trainer.last
        print(f"# {name} {line(told)}", flush=True)
        write(file_of(asked, name).with_suffix(".part.safetensors"), asked, name, network, done + trainer.step)

    for parameters, share, rate in parts:
        for p in network.parameters():
            p.requires_grad_(False)
        for p in parameters:
            p.requires_grad_(True)
        draw = partial(drawn, photos, row.curriculum and parameters is flow, list(ways), asked.batch)
        plan = Plan(share, rate, asked.steps, clip=10.0, graph=asked.graph)
        trainer = Trainer(parameters, draw, partial(loss, network, ways, row.loop), plan, report)
        trainer.run()
        done += trainer.step
        with torch.no_grad():
            trainer.flat.copy_(trainer.average)
    return done


def drawn(
    photos: Photos, curriculum: bool, names: list[str], count: int, share: float
) -> tuple[str, dict[str, Tensor]]:
    """A channel, the first more often than others; parts of photos and noise for them."""
    device = photos.full.device
    known = max(1, round(len(names) * min(1.0, share / OPEN))) if curriculum else len(names)
    pick = int(torch.randint(known + recipe.PLAIN, ()))
    here = torch.randint(len(photos.full), (count,), device=device)
    corner = torch.randint(SIDE + 1, (2, count, 1), device=device) + torch.arange(SIDE, device=device)
    part, _ = flipped(photos.full[here[:, None, None], corner[0][:, :, None], corner[1][:, None]])
    images = part.permute(0, 3, 1, 2).float().contiguous() / 255
    return names[pick if pick < known else 0], {"images": images, "noise": torch.randn_like(images)}


def loss(network: Network, ways: dict[str, Way], loop: bool, name: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    way = ways[name]

    def passed(y: Tensor) -> tuple[Tensor, Tensor]:
        levels = way.written(y)
        stego = blocks.forward(levels)
        return stego, stego if way.channel.kind == "jpeg" and not loop else way.sent(levels, batch["noise"])

    return recipe.terms_of(network, batch["images"], way.channel, passed)


# -- networks


class Phased(nn.Module):
    """The first layer of a dense net, and what is added at even and odd rows and columns of blocks; 0 at first."""

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.layer, self.table = layer, nn.Parameter(torch.zeros(1, layer.out_channels, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        return cast(Tensor, self.layer(x)) + self.table.repeat(1, 1, height // 2, width // 2)


def built(asked: argparse.Namespace, row: Row, device: torch.device) -> Network:
    """A fresh network with the linear optima that were trained."""
    own = weights.load("riis", asked.start).networks
    assert own is not None
    shape = own_shape(asked, row)
    _, networks = seeded(lambda: methods.build("riis", form="network", network=shape), 0)
    assert networks is not None
    kept = ("network.linear.", "network.seen.")
    networks.load_state_dict(networks.state_dict() | {n: t for n, t in own.state_dict().items() if n.startswith(kept)})
    network = cast(Network, cast(nn.ModuleDict, networks)["network"])
    if row.phases:
        for net in [m for m in network.flow.modules() if isinstance(m, DenseNet)]:
            net.into = Phased(net.into)  # type: ignore[assignment]
        network.apart = nn.ParameterList(torch.zeros_like(p) for p in network._couplings.parameters())
    return network.to(device)


def own_shape(asked: argparse.Namespace, row: Row) -> dict[str, Any]:
    return {"channels": recipe.CHANNELS} | asked.network | row.changes


def write(path: Path, asked: argparse.Namespace, name: str, network: Network, steps: int) -> None:
    tensors = {f"network.{n}": t.detach().cpu().half().contiguous() for n, t in network.state_dict().items()}
    config: dict[str, Any] = {"form": "network", "network": own_shape(asked, ROWS[name])}
    facts = {"row": name, "steps": steps, "batch": asked.batch, "seconds": asked.seconds}
    path.write_bytes(weights.pack("riis", config, tensors, facts))


# -- judging


def judge(asked: argparse.Namespace) -> None:
    """dB through the real channels; beside those of the linear optimum, if that was judged before."""
    name, own = asked.judge, weights.read(file_of(asked, asked.judge))
    network = built(asked, ROWS[name], torch.device("cpu"))
    network.load_state_dict({n.removeprefix("network."): t.float() for n, t in own.tensors().items()})
    pictures = Pictures(asked.val).centres(asked.pictures // 4 * 4, SIDE)
    found: dict[str, list[list[float]]] = {}
    with torch.no_grad():
        for channel in network.channels:
            parts = [recipe.qualities(network, pictures[i : i + 4], channel) for i in range(0, len(pictures), 4)]
            found[str(channel)] = [[q for p in parts for q in p[k]] for k in range(2)]
    file_of(asked, name).with_suffix(".json").write_text(json.dumps(found))
    linear = file_of(asked, "linear").with_suffix(".json")
    base = json.loads(linear.read_text()) if linear.exists() else None
    cells = [cell(channel, pair, base and base[channel]) for channel, pair in found.items()]
    print(f"{name} ({own.training['steps']} steps): " + ", ".join(cells), flush=True)


def cell(channel: str, pair: list[list[float]], base: list[list[float]] | None) -> str:
    """Figures of stego and secret, and their gains with standard errors."""
    means = " / ".join(f"{np.mean(values):.2f}" for values in pair)
    if base is None or base == pair:
        return f"{channel} {means}"
    gains = [np.subtract(values, old) for values, old in zip(pair, base, strict=True)]
    told = " / ".join(f"{g.mean():+.2f}+-{g.std(ddof=1) / np.sqrt(len(g)):.2f}" for g in gains)
    return f"{channel} {means} ({told})"


if __name__ == "__main__":
    main()
