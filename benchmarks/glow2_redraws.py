"""Do redraws give glow2's stegos away? Stegos against innocent draws, with the rule for draws and without.

    python benchmarks/glow2_redraws.py --cache FILE [--count 400] [--weights landscapes] [--survive jpeg:40]

Stegos carry random bytes that fill them, in JPEG files of the quality to survive (PNG for png). Every draw is judged by
the rule and sent through the channel, so one run tells both: `with the rule` compares stegos and innocent draws that it
accepts, as `stego hide` and `stego sample` write them; `without` is the control, stegos that came through against all
innocent draws, and must be found. A draw that the rule accepts and that fails all the same is counted.

Detectors, each picture by itself: the mean gradient (area under the curve, chance 0.5), and logistic regression on
gradient, brightness, contrast and bytes of the file (share told rightly, in ten folds; chance 50 %). All pictures
together: how many of either kind are smoother than nine tenths of the innocent draws, and how likely a difference as
large is by chance (Fisher's exact test). Standard errors of chance are printed. `--cache` keeps the figures of each
draw; a run goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.stats import fisher_exact
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stegcli import api, weights
from stegcli.errors import CapacityError
from stegcli.keys import key as keys
from stegcli.keys.stream import Stream
from stegcli.method import Request, Secret
from stegcli.methods.glow2 import noise
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions, SampleOptions
from stegcli.methods.glow2.rule import Rule
from stegcli.options import parse_size
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

FOLDS = 10
STEGO, DRAW = "stego", "draw"


@dataclass(frozen=True)
class Judged:
    """One draw. kind: with a message or without. accepted: by the rule. through: whether its message came back."""

    kind: str
    accepted: bool
    through: bool
    features: tuple[float, ...]


class Judge:
    """Stands in for the rule: it notes every draw with the rule's verdict, and lets it pass."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, tuple[float, ...]]] = []
        self.real = Rule.accepts

    def __call__(self, rule: Rule, z: np.ndarray, x: torch.Tensor) -> bool:
        request, picture = rule.request, Picture(noise.to_pixels(x))
        features = features_of(image.encode(picture, request.format, request.quality))
        self.seen.append((self.real(rule, z, x), features))
        return True


def features_of(file: bytes) -> tuple[float, ...]:
    """The bytes of a picture file -> mean gradient, brightness and contrast of its grey levels, and its size."""
    grey = image.decode(file).pixels.astype(float).mean(2)
    gradient = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    return float(gradient), float(grey.mean()), float(grey.std()), float(len(file))


def stego(method: Glow2, request: Request, room: int, judge: Judge) -> Iterator[Judged]:
    """Hide random bytes -> the draws that this took; the last one came through, if any did."""
    judge.seen.clear()
    full = replace(request, secrets=(Secret(secrets.token_bytes(room)),), keys=(keys.generate("glow2", "benchmark"),))
    try:
        api.hide(full, method)
        came = True
    except CapacityError:
        came = False
    for index, (accepted, features) in enumerate(judge.seen, 1):
        yield Judged(STEGO, accepted, came and index == len(judge.seen), features)


def draw(method: Glow2, request: Request, judge: Judge) -> Iterator[Judged]:
    judge.seen.clear()
    api.sample(request, method, Stream(secrets.token_bytes(32)))
    for accepted, features in judge.seen:
        yield Judged(DRAW, accepted, True, features)


def collected(method: Glow2, request: Request, drawn: Request, count: int, cache: Path) -> list[Judged]:
    """Draws of both kinds, until `count` of each are accepted and came through; those of the cache first."""
    lines = cache.read_text(encoding="utf-8").splitlines() if cache.exists() else []
    found = [Judged(**json.loads(line)) for line in lines]
    room, judge = method.capacity(replace(request, secrets=(Secret(b""),))), Judge()
    with mock.patch.object(Rule, "accepts", lambda rule, z, x: judge(rule, z, x)), cache.open("a") as file:
        while any(sum(f.kind == k and f.accepted and f.through for f in found) < count for k in (STEGO, DRAW)):
            for one in (*stego(method, request, room, judge), *draw(method, drawn, judge)):
                found.append(one)
                file.write(json.dumps(vars(one)) + "\n")
            file.flush()
    return found


def told(name: str, stegos: list[Judged], draws: list[Judged], seed: int) -> str:
    """As many of both -> what the detectors find, as a line."""
    rng = np.random.default_rng(seed)
    most = min(len(stegos), len(draws))
    chosen = [rng.permutation(len(kind))[:most] for kind in (stegos, draws)]
    x = np.array([kind[i].features for kind, order in zip((stegos, draws), chosen, strict=True) for i in order])
    y = np.repeat([1, 0], most)
    area = roc_auc_score(y, x[:, 0])
    shuffled = rng.permutation(len(y))
    learner: Any = make_pipeline(StandardScaler(), LogisticRegression())
    right = cross_val_score(learner, x[shuffled], y[shuffled], cv=FOLDS).mean()
    error = np.sqrt((2 * most + 1) / (12 * most**2))
    smooth = [int((x[y == kind, 0] < np.quantile(x[y == 0, 0], 0.1)).sum()) for kind in (1, 0)]
    chance = fisher_exact([[n, most - n] for n in smooth]).pvalue
    return (
        f"{name}: {most} and {most}, gradient {area:.3f} (chance 0.5 +- {error:.3f}), "
        f"told {100 * right:.1f} % (chance 50 +- {50 / np.sqrt(2 * most):.1f} %), "
        f"smoothest tenth {smooth[0]} stegos and {smooth[1]} draws (p = {chance:.2g})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--weights", default="landscapes")
    parser.add_argument("--survive", default="jpeg:40")
    parser.add_argument("--size")
    options = parser.parse_args()
    torch.set_num_threads(1)
    method = weights.load("glow2", options.weights)
    assert isinstance(method, Glow2)
    size, channel = options.size and parse_size(options.size), parse(options.survive)
    jpeg = channel.kind == "jpeg"
    request = Request(survive=(channel,), options=HideOptions("bytes", size), format="JPEG" if jpeg else "PNG")
    request = replace(request, quality=round(channel.strength)) if jpeg else request
    found = collected(method, request, replace(request, options=SampleOptions(size)), options.count, options.cache)
    stegos, draws = ([f for f in found if f.kind == kind] for kind in (STEGO, DRAW))
    through, accepted = [f for f in stegos if f.through], [f for f in stegos if f.accepted]
    print(f"{options.weights}, {channel}: of {len(stegos)} draws with a message {len(through)} came through; "
          f"the rule accepts {len(accepted)}, of which {sum(not f.through for f in accepted)} failed")  # fmt: skip
    print(told("with the rule", [f for f in accepted if f.through], [f for f in draws if f.accepted], 0))
    print(told("control, without", through, draws, 0))


if __name__ == "__main__":
    main()
