"""The training of steg-cinn's parts on a GPU: photos, noise and steps all on the device.

    python training/colours.py fine|coarse --data TRAIN --val VAL --out OUT.safetensors --minutes M [--start FILE]
        [--config JSON] [--batch 32] [--lr RATE] [--device cuda] [--graph] [--resume]

Losses, configurations and validation are those of `stego train steg-cinn --part fine` and `coarse`; photos are prepared
as there, with one difference: the parts of photos that `coarse` sees are of all sizes from a quarter of the photo on.
Weights that are started from give all that fits: to phases in four parts (`--config '{"fine": {"width": 48, "split":
[1, 2]}}'`) the columns of the neighbours that both have. Prints validation figures every minute, and writes the
averaged weights with the least.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from flat import Plan, Trainer, line
from on_device import Photos, Space, coarse_batch, fine_batch, fine_scenes
from torch import Tensor, nn

from stegcli import methods, weights
from stegcli.data import Pictures
from stegcli.method import Method
from stegcli.methods.steg_cinn import groups, recipe, recipe_coarse, recipe_fine
from stegcli.methods.steg_cinn.coarse import Coarse
from stegcli.methods.steg_cinn.nets import Fine, LevelNet
from stegcli.recipe import seeded

JUDGED = {"fine": "bpp_grain0", "coarse": "mean"}
"""The validation figure that says which weights are kept."""
MAKE = {"fine": fine_batch, "coarse": coarse_batch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["fine", "coarse"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--start", default="default", help="weights, by name or file; 'none' for none")
    parser.add_argument("--config", type=json.loads, default={}, help="changes to the recipe's configuration")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--limit", type=int, help="photos to train on")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--graph", action="store_true", help="record the step as a CUDA graph")
    parser.add_argument("--resume", action="store_true", help="go on from OUT's state for so many minutes more")
    train(parser.parse_args())


def train(asked: argparse.Namespace) -> None:
    begun, device = time.monotonic(), torch.device(asked.device)
    random.seed(0)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    method, net = built(asked.part, asked.config, asked.start, device)
    photos = Photos.read(asked.data, device, asked.limit, with_parts=asked.part == "coarse")
    own = recipe.RECIPES[asked.part]
    images = Pictures(asked.val).centres(own.pictures, own.side).to(device)
    log = asked.out.with_suffix(".jsonl")
    best: list[float] = [float("inf")]

    def report(trainer: Trainer) -> None:
        figures = own.validate(method, images)
        if figures[JUDGED[asked.part]] <= best[0]:
            best[0] = figures[JUDGED[asked.part]]
            write(asked.out, asked.part, method, {"steps": trainer.step, "batch": asked.batch})
        trainer.save(asked.out.with_suffix(".state"))
        told = {"step": float(trainer.step), "seconds": trainer.seconds} | trainer.last | figures
        print(line(told), flush=True)
        with log.open("a") as file:
            file.write(line(told) + "\n")

    plan = Plan(asked.minutes, asked.lr, asked.steps, graph=asked.graph)
    make, found = MAKE[asked.part], Space(device)
    trainer = Trainer(
        net.parameters(), lambda _: ("", make(photos, found, asked.batch)), partial(loss, net), plan, report
    )
    if asked.resume and asked.out.with_suffix(".state").exists():
        trainer.resume(asked.out.with_suffix(".state"))
        plan.minutes += trainer.seconds / 60
    else:
        with torch.no_grad():
            report(trainer)
    print(f"# {len(photos.full)} photos, ready after {time.monotonic() - begun:.1f} s", flush=True)
    trainer.run()


def loss(net: nn.Module, _: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(net, Fine):
        return recipe_fine.terms_of(net, fine_scenes(batch))
    return recipe_coarse.terms_of(cast(Coarse, net), batch["light"], batch["planes"], batch["position"])


def built(part: str, config: dict[str, Any], start: str, device: torch.device) -> tuple[Method, nn.Module]:
    """A part with all that the weights to start from have for it -> the method, and the part's network."""
    shape = recipe.RECIPES[part].config | config
    method, networks = seeded(lambda: methods.build("steg-cinn", **shape), 0)
    net = cast(nn.ModuleDict, networks)[part]
    if start != "none":
        given = cast(nn.ModuleDict, weights.load("steg-cinn", start).networks)[part]
        copy(given, net)
    method.device = str(device)
    cast(nn.Module, networks).to(device)
    return method, net


def copy(source: nn.Module, target: nn.Module) -> None:
    """Tensors of one name and shape; and of first layers the columns of what both see."""
    mine, theirs = target.state_dict(), source.state_dict()
    same = {n: t for n, t in theirs.items() if n in mine and mine[n].shape == t.shape}
    target.load_state_dict(mine | same)
    if isinstance(target, Fine):
        for to, of in zip(target.levels, cast(Fine, source).levels, strict=True):
            if len(cast(LevelNet, to).groups) > len(cast(LevelNet, of).groups):
                _share_first(cast(LevelNet, of), cast(LevelNet, to))


@torch.no_grad()
def _share_first(source: LevelNet, target: LevelNet) -> None:
    for group in target.groups:
        (whole,) = (g for g in source.groups if g.phase == group.phase)
        of = cast(nn.Conv2d, source.phase(whole).first[0])
        to = cast(nn.Conv2d, target.phase(group).first[group.part])
        old, new = groups.neighbours(whole), groups.neighbours(group)
        to.weight.zero_()
        for colour in range(2):
            for i, offset in enumerate(new):
                if offset in old:
                    to.weight[:, colour * len(new) + i] = of.weight[:, colour * len(old) + old.index(offset)]
        to.weight[:, 2 * len(new) :] = of.weight[:, 2 * len(old) :]
        cast(Tensor, to.bias).copy_(cast(Tensor, of.bias))


def write(out: Path, part: str, method: Method, facts: dict[str, object]) -> None:
    tensors = {n: t.detach().cpu().contiguous() for n, t in cast(nn.Module, method.networks).state_dict().items()}
    draft = out.with_suffix(".draft")
    draft.write_bytes(weights.pack("steg-cinn", method.config, tensors, {"part": part} | facts))
    draft.replace(out)


if __name__ == "__main__":
    main()
