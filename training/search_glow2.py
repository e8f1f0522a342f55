"""One candidate for one band of a flow: trained for some minutes, then its nats per dimension on unseen pictures.

    python training/search_glow2.py --data TEXTURES --val TEXTURES-VAL --band c1 [--minutes 1.5] [--variant NAME] [...]
    python training/search_glow2.py --kind blocks --width 64 --data TEXTURES --val TEXTURES-VAL --band y4 [...]

Bands share no parameters and their losses add, so that a candidate can be judged band by band. Minutes are those of one
core's work. The table that came of it: docs/research/search-glow2.md.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.data import Pictures
from stegcli.methods.glow2 import recipe_flow
from stegcli.nn import blocks, grouped
from stegcli.nn import flow as flows
from stegcli.nn.blocks import BlockFlow
from stegcli.nn.grouped import GroupedFlow
from stegcli.nn.mixture import Mixture
from stegcli.nn.nets import conv3
from stegcli.nn.wavelet import Pyramid, WaveletFlow
from stegcli.recipe import Noise

VARIANTS = (
    "as shipped", "additive", "zeros at the border", "not turned", "neither turned nor flipped", "brightness",
    "sizes mixed", "scale jitter", "blocks moved", "no energies", "no groups", "no groups, no energies", "more context",
)  # fmt: skip
"""The last five are of the block flow. "blocks moved": pictures are shifted, so that blocks are not those of JPEG."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, help="a second folder to train on")
    parser.add_argument("--share", type=float, default=0.3, help="of the batches that come from it")
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--kind", choices=("wavelet", "blocks"), default="wavelet")
    parser.add_argument("--components", type=int, default=grouped.COMPONENTS)
    parser.add_argument("--features", type=int, default=48)
    parser.add_argument("--band", default="c1")
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--variant", choices=VARIANTS, default="as shipped")
    parser.add_argument("--cues", type=int, default=3)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    return parser.parse_args()


def main() -> None:
    o = options()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    flow = build(o)
    steps = train(flow, o)
    count = sum(p.numel() for p in flow.flow(o.band).parameters())
    shape = f"cues {o.cues}  width {o.width}  steps {o.steps}"
    if o.kind == "blocks":
        shape = f"width {o.width}  features {o.features}  components {o.components}"
    print(f"{o.band}  {o.variant}  {shape}  rate {o.rate:g}  batch {o.batch}  "
          f"ema {o.ema:g}  {o.precision}  {'' if o.more is None else o.share}: {steps} steps, {count} parameters, "
          f"{validate(flow, o):.4f} nats", flush=True)  # fmt: skip


def build(o: argparse.Namespace) -> Pyramid:
    """A flow whose band in question is as asked for."""
    return build_blocks(o) if o.kind == "blocks" else build_wavelet(o)


def build_blocks(o: argparse.Namespace) -> BlockFlow:
    _begin_components(o.components)
    flow = BlockFlow(int(math.log2(o.side)) - 4, o.width, o.features, o.width, o.features)
    band = flow.flow(o.band)
    assert isinstance(band, GroupedFlow)
    if "no energies" in o.variant:
        # Both where a flow asks for its own, and where it is told of coarser ones.
        grouped.energies = blocks.energies = lambda x, floor, known=None: [torch.zeros_like(x)] * 2
    if "no groups" in o.variant:
        whole = band._mixture
        band._mixture = lambda i, u, known, told: whole(i, 0 * u, 0 * known, told)  # type: ignore[method-assign]
    if o.variant == "more context":
        more = [layer for _ in range(3) for layer in (conv3(o.width, o.width), nn.SiLU())]
        band.context = nn.Sequential(*band.context[:-1], *more, band.context[-1])
    if o.variant == "zeros at the border":
        _zero_borders(flow)
    if o.variant == "additive":
        _fix_scales(band)
    return flow.to(memory_format=torch.channels_last)


def _begin_components(count: int) -> None:
    grouped.COMPONENTS = count
    grouped.OFFSETS = tuple(0.6 * (i / (count - 1) - 0.5) if count > 1 else 0.0 for i in range(count))
    grouped.LOG_SCALES = tuple(-1.6 if i == count // 2 and count > 1 else -0.4 for i in range(count))


def _fix_scales(band: GroupedFlow) -> None:
    """Nets tell weights and means alone, and each channel has scales of its own: what additive couplings are."""
    own = nn.ParameterList(nn.Parameter(torch.zeros(grouped.COMPONENTS * half)) for half in band.halves)
    band.own = own
    whole = band._mixture

    def mixture(index: int, u: Tensor, known: Tensor, told: Tensor) -> Mixture:
        found = whole(index, u, known, told)
        usual = band.log_scales.view(-1, 1, 1, 1, 1)
        scales = (own[index // 2].view(grouped.COMPONENTS, 1, -1, 1, 1) + usual).expand_as(found.log_scales)
        return Mixture(found.log_weights, found.means, scales)

    band._mixture = mixture  # type: ignore[method-assign]


def build_wavelet(o: argparse.Namespace) -> WaveletFlow:
    levels = int(math.log2(o.side)) - 2
    place = levels if o.band == "base" else int(o.band[1]) - 1
    widths, steps = [8] * (levels + 1), [1] * (levels + 1)
    widths[place], steps[place] = o.width, o.steps
    flow = WaveletFlow(widths, steps, cues=o.cues)
    if o.variant == "zeros at the border":
        _zero_borders(flow)
    for module in flow.modules():
        if o.variant == "additive" and isinstance(module, flows.AffineCoupling):
            _make_additive(module)
    return flow.to(memory_format=torch.channels_last)


def _zero_borders(flow: Pyramid) -> None:
    for module in flow.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "zeros"


def _make_additive(coupling: flows.AffineCoupling) -> None:
    both = coupling._scale_and_shift
    coupling._scale_and_shift = lambda a, c: (torch.zeros_like((told := both(a, c))[0]), told[1])  # type: ignore[method-assign]


def train(flow: Pyramid, o: argparse.Namespace) -> int:
    folders = [Pictures(d) for d in (o.data, o.more) if d is not None]
    parameters = list(flow.flow(o.band).parameters())
    optimizer = torch.optim.Adam(parameters, lr=o.rate, betas=(0.9, 0.99))
    average = [p.detach().clone() for p in parameters]
    spent, step = 0.0, 0
    while (progress := spent / (60 * o.minutes)) < 1:
        started = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = o.rate * min(1.0, 0.01 + 50 * progress) * (0.5 + 0.5 * math.cos(math.pi * progress))
        loss_of(flow, folders, step, o).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 50.0)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(o.ema, (1 + step) / (10 + step))
        for a, p in zip(average, parameters, strict=True):
            a.lerp_(p.detach(), 1 - decay)
        step += 1
        spent += time.process_time() - started
    for a, p in zip(average, parameters, strict=True):
        p.data.copy_(a)
    return step


def loss_of(flow: Pyramid, folders: list[Pictures], step: int, o: argparse.Namespace) -> Tensor:
    noise = Noise.of(0, step, range(o.batch))
    draw = noise.generators[0]
    folder = folders[1] if len(folders) > 1 and draw.random() < o.share else folders[0]
    side = o.side // 2 if o.variant == "sizes mixed" and draw.random() < 0.5 else o.side
    if o.variant == "neither turned nor flipped":
        whole = _centres(folder, side)
        x = torch.stack([whole[int(g.integers(len(whole)))] for g in noise.generators])
    else:
        x = folder.batch(noise, side)
    if o.variant == "blocks moved":
        x = x.roll((int(draw.integers(8)), int(draw.integers(8))), (2, 3))
    if o.variant == "scale jitter":
        x = _scaled(x, draw.uniform(0.8, 1.25), flow.side)
    if o.variant == "brightness":
        x = (x * draw.uniform(0.8, 1.2) * 255).round().clamp(0, 255) / 255
    x = recipe_flow.dequantise(x, noise.uniform(*x.shape[1:]))
    if o.variant not in ("not turned", "neither turned nor flipped"):
        x = recipe_flow.turn(x, noise)
    with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
        return recipe_flow.nll(flow, x, noise, o.band)[o.band]


@functools.cache
def _centres(folder: Pictures, side: int) -> Tensor:
    return folder.centres(len(folder.paths), side)


def _scaled(x: Tensor, factor: float, multiple: int) -> Tensor:
    side = max(multiple, round(x.shape[2] * factor / multiple) * multiple)
    resized = F.interpolate(x, (side, side), mode="bicubic", antialias=True)
    return (resized * 255).round().clamp(0, 255) / 255


@torch.no_grad()
def validate(flow: Pyramid, o: argparse.Namespace) -> float:
    pictures = Pictures(o.val).centres(500, o.side)
    noise = Noise.of(1, 0, range(len(pictures)))
    total = 0.0
    for i in range(len(pictures)):
        uniform = Noise((noise.generators[i],)).uniform(3, o.side, o.side)
        total += recipe_flow.nll(flow, recipe_flow.dequantise(pictures[i : i + 1], uniform), None, o.band)[
            o.band
        ].item()
    return total / len(pictures)


if __name__ == "__main__":
    main()
