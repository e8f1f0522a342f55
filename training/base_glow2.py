"""Train the base of glow2's block flow alone: colours and brightness of whole regions.

    python training/base_glow2.py WEIGHTS -o OUT.safetensors --data TEXTURES --val TEXTURES-VAL --minutes 4
        [--width 64] [--steps 10] [--jitter 0.15] [--ends 0.03125]

The base is a few numbers for each picture, 48 of 128x128, so a thousand pictures are soon learnt by heart. Each is
turned and flipped, and its contrast, its colours and its brightness are changed at random (`jittered`): without this,
likelihood of unseen pictures stops rising within a minute. Starts afresh and keeps the averaged weights that are best
on the validation pictures. All other parts of WEIGHTS stay as they were.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli import weights
from stegcli.data import Pictures
from stegcli.methods.glow2 import recipe_flow
from stegcli.methods.glow2.method import Glow2
from stegcli.nn.wavelet import Pyramid, base_flow

RATE, DECAY, CLIP, AVERAGED = 3e-3, 0.02, 5.0, 0.998
BATCH, EVERY = 256, 400
BRIGHTNESS = 3.2
"""Change of a region's mean by a jitter of 1, in the base's units: 32 are the whole range."""


@torch.no_grad()
def contents(flow: Pyramid, folder: Path, side: int) -> Tensor:
    """The base's content of each picture, turned and flipped in all ways: (8, n, 12, h, w)."""
    pictures = Pictures(folder).centres(10_000, side)
    noise = torch.Generator().manual_seed(0)
    found = []
    for turns in range(4):
        for flipped in (False, True):
            x = pictures.rot90(turns, (2, 3))
            x = recipe_flow.dequantise(x.flip(3) if flipped else x, torch.rand(x.shape, generator=noise))
            found.append(torch.cat([base_of(flow, part) for part in x.split(50)]))
    return torch.stack(found)


def base_of(flow: Pyramid, x: Tensor) -> Tensor:
    """Pictures -> content of the base."""
    return {name: content for name, content, _ in flow.analyse(x, "base")}["base"]


def nats(flow: nn.Module, content: Tensor) -> Tensor:
    """-> mean nats per dimension."""
    z, ladj = flow(content)
    density = -0.5 * z.square().flatten(1).sum(1) + ladj
    return 0.5 * math.log(2 * math.pi) - density.mean() / content[0].numel()


def jittered(content: Tensor, by: float) -> Tensor:
    """Contents (b, 12, h, w) with contrast, strength and hue of colours, and brightness of each changed at random."""
    low = F.pixel_shuffle(content, 2)
    mean = low.mean((2, 3), keepdim=True)
    contrast, strength, hue, light = torch.randn(4, len(low), 1, 1, 1).unbind(0)
    contrast, strength = (by * contrast).exp(), (2 * by * strength).exp()
    colours = torch.cat([torch.ones_like(strength), strength, strength], dim=1)
    low = _turned(mean, 3 * by * hue) * colours + _turned(low - mean, 3 * by * hue) * colours * contrast
    low = low + BRIGHTNESS * by * light * low.new_tensor([1.0, 0, 0]).view(3, 1, 1)
    return F.pixel_unshuffle(low, 2)


def _turned(planes: Tensor, angle: Tensor) -> Tensor:
    """Planes of luminance and two colours, the colours rotated by an angle (b, 1, 1, 1)."""
    y, cb, cr = planes.split(1, dim=1)
    return torch.cat([y, angle.cos() * cb - angle.sin() * cr, angle.sin() * cb + angle.cos() * cr], dim=1)


def train(flow: nn.Module, data: Tensor, val: Tensor, minutes: float, jitter: float) -> tuple[nn.Module, int, float]:
    """-> the averaged flow that is best on `val`, its step, and its nats per dimension."""
    optimizer = torch.optim.AdamW(flow.parameters(), lr=RATE, weight_decay=DECAY)
    average, best, step, started = copy.deepcopy(flow), (copy.deepcopy(flow), 0, math.inf), 0, time.monotonic()
    while (done := (time.monotonic() - started) / 60 / minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        loss = nats(flow, jittered(data[torch.randint(8, (BATCH,)), torch.randint(data.shape[1], (BATCH,))], jitter))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(flow.parameters(), CLIP)
        optimizer.step()
        step += 1
        update(average, flow, 1 - min(AVERAGED, (1 + step) / (10 + step)))
        if step % EVERY == 0:
            with torch.no_grad():
                told = float(nats(average, val.flatten(0, 1)))
            print(f"{step} steps: {told:.4f} nats per dimension, trained on {loss:.3f}", flush=True)
            best = (copy.deepcopy(average), step, told) if told < best[2] else best
    return best


@torch.no_grad()
def update(average: nn.Module, now: nn.Module, share: float) -> None:
    for kept, value in zip(average.parameters(), now.parameters(), strict=True):
        kept.lerp_(value, share)
    for kept, value in zip(average.buffers(), now.buffers(), strict=True):
        kept.copy_(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--jitter", type=float, default=0.15)
    parser.add_argument("--ends", type=float, default=1 / 32, help="share of the range compressed at either end")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(o.seed)
    method = weights.load("glow2", o.weights)
    assert isinstance(method, Glow2)
    g2 = method.generator()
    g2.ends = o.ends
    data, val = (contents(g2, folder, method.side) for folder in (o.data, o.val))
    flow = base_flow(g2.octaves.stop - 1, o.width, o.steps)
    found, step, told = train(flow, data, val, o.minutes, o.jitter)
    print(f"the best: {told:.4f} nats per dimension after {step} steps")
    shape = method.config["g2"] | {"base_width": o.width, "base_steps": o.steps, "ends": o.ends}
    state = {n: t for n, t in method.networks.state_dict().items() if not n.startswith("g2.flows.base.")}
    state |= {f"g2.flows.base.{n}": t for n, t in found.state_dict().items()}
    facts = {"part": "g2/base", "steps": step, "seed": o.seed, "torch": torch.__version__}
    o.output.write_bytes(weights.pack("glow2", method.config | {"g2": shape}, state, facts))


if __name__ == "__main__":
    main()
