"""Secrecy without the key: whether stegos are distributed like other draws, and what they leak about their secrets.

The linear attacker has the weights, the secrets of half of the stegos, and which latents hold which numbers, and lacks
pads and rotations alone. (The places are part of the key. Against an attacker without them they would hide everything,
with rotations or without, so that such an attack would find nothing and tell nothing.) The attack looks for relations
that do not depend on these: a weight for each copy of the secret's latents (`by place`), and a linear map from a few
random projections of a stego to its secret (`as a whole`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import kstest

from stegcli.keys.key import Key
from stegcli.method import Request, Secret
from stegcli.methods.glow2 import pictures
from stegcli.methods.glow2.carriers import Carriers
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.sender import Sender
from stegcli.pictures import metrics
from stegcli.pictures.image import Picture

MOST_STEGOS = 20
COPIES = 2
"""Copies of the secret's blocks that the attacker looks at."""


@dataclass(frozen=True)
class Case:
    """A stego in the attacker's hands: `views` (f, n), f numbers that may depend on each of the secret's n latents; all
    latents of the stego; and the secret."""

    views: np.ndarray
    stego: np.ndarray
    latents: np.ndarray
    secret: Picture


@dataclass(frozen=True)
class Written:
    """A secret, the latents of its stego before G2, and where the secret's latents lie if it is a picture."""

    secret: Picture
    z: np.ndarray
    at: Carriers | None


Restore = Callable[[np.ndarray], Picture]
"""Latents of a secret -> the secret."""
Guess = Callable[[Case], np.ndarray]
"""A stego -> the latents of its secret."""


def measure(method: Glow2, sample: Sample) -> dict[str, dict[str, float | None]]:
    """Form -> figures of its stegos. For bytes the secret is all zeros, as long as fits the first attack."""
    size = (sample.width, sample.height)
    found: dict[str, dict[str, float | None]] = {}
    request = Request(survive=(sample.attacks[0],), options=HideOptions("bytes", size))
    if (room := method.capacity(request)) > 0:
        found["bytes"] = _distribution([w.z for w in _written(method, sample, request, Secret(bytes(room)))])
    if method.g1 is not None:
        request = Request(survive=(sample.attacks[-1],), options=HideOptions("cascade", size))
        written = list(_written(method, sample, request))
        cases = [case_of(method, sample, w) for w in written]
        restore = restorer(method, sample, min(size))
        found["cascade"] = _distribution([w.z for w in written]) | leak(cases, restore, sample)
    return found


def restorer(method: Glow2, sample: Sample, side: int) -> Restore:
    """Returns the function from latents of a secret of this side to a picture of the secrets' size."""
    assert method.g1 is not None
    g1 = method.g1
    height, width = sample.secrets[0].pixels.shape[:2]
    return lambda z: pictures.to_picture(g1, method.sr, z.astype(np.float32), side, width, height)


# -- the distribution


def _written(method: Glow2, sample: Sample, request: Request, same: Secret | None = None) -> Iterator[Written]:
    """Yields each secret, or always the same one, hidden in its own stego."""
    for index, picture in enumerate(sample.secrets[:MOST_STEGOS]):
        key = Key(method.name, "", sample.rng("secrecy", index).bytes(32))
        sender = Sender(method, replace(request, secrets=(same or Secret(b"", picture),), keys=(key,)))
        if next(sender.drafts(), None) is not None:
            yield Written(picture, sender.z, sender.carried[0] if sender.carried else None)


def _distribution(latents: Sequence[np.ndarray]) -> dict[str, float | None]:
    """KS tests of each stego's latents against N(0, 1), and of their p-values against the uniform distribution."""
    p = [float(kstest(z, "norm").pvalue) for z in latents]
    return {
        "stegos": len(p),
        "ks_least": min(p, default=None),
        "ks_of_ks": float(kstest(p, "uniform").pvalue) if p else None,
    }


# -- leaks


def case_of(method: Glow2, sample: Sample, written: Written) -> Case:
    """A stego as the attacker sees it, who knows its places."""
    assert method.g1 is not None
    assert written.at is not None
    latents = pictures.to_latents(method.g1, written.secret, min(sample.height, sample.width))
    return Case(views(written.z, written.at, len(latents)), written.z, latents, written.secret)


def views(z: np.ndarray, at: Carriers, n: int) -> np.ndarray:
    """Latents of a stego, and where they carry the secret's n -> (1 + copies, n), COPIES at most.

    The latents in their order, and each copy in the order of the secret's. Numbers that a copy lacks are 0 there.
    """
    copy = np.arange(len(at.block)) - np.searchsorted(at.block, at.block)
    by_number = np.zeros((min(COPIES, int(copy.max()) + 1), n))
    for number in range(len(by_number)):
        some = copy == number
        by_number[number, at.numbers[at.block[some]]] = z[at.used[some]]
    return np.concatenate([z[None, :n], by_number])


def leak(cases: Sequence[Case], restore: Restore, sample: Sample) -> dict[str, float | None]:
    """-> the largest correlation of a view with the secret's latents; it times the root of their number, which for
    independent latents is seldom beyond 4; and what the linear attack gains over the mean of the known secrets, dB."""
    found = [abs(float(np.corrcoef(v, c.latents)[0, 1])) for c in cases for v in c.views]
    largest = max(found, default=None)
    scaled = None if largest is None else largest * len(cases[0].latents) ** 0.5
    return {"correlation": largest, "scaled_correlation": scaled} | _linear_attack(cases, restore, sample)


def _linear_attack(cases: Sequence[Case], restore: Restore, sample: Sample) -> dict[str, float | None]:
    """Learn from half of the stegos, and guess the secrets of the others."""
    known, unknown = cases[: len(cases) // 2], cases[len(cases) // 2 :]
    if not known:
        return {"mean_psnr": None, "by_place_gain": None, "as_whole_gain": None}
    mean = _weight(_means_of_others(known), known) @ _mean(known)[None]
    nothing = _psnr(unknown, restore, lambda _: mean)
    by_place, as_whole = _by_place(known), _as_whole(known, mean, sample.rng("projections"))
    return {
        "mean_psnr": nothing,
        "by_place_gain": _psnr(unknown, restore, by_place) - nothing,
        "as_whole_gain": _psnr(unknown, restore, as_whole) - nothing,
    }


def _psnr(cases: Sequence[Case], restore: Restore, guess: Guess) -> float:
    return float(np.mean([metrics.psnr(c.secret.pixels, restore(guess(c)).pixels) for c in cases]))


def _mean(cases: Sequence[Case]) -> np.ndarray:
    mean: np.ndarray = np.mean([c.latents for c in cases], axis=0)
    return mean


def _means_of_others(known: Sequence[Case]) -> list[np.ndarray]:
    """For each case the mean of the other cases only, (1, n): a secret must not help to guess itself."""
    total, others = len(known) * _mean(known), max(1, len(known) - 1)
    return [(total - c.latents)[None] / others for c in known]


def _weight(seen: Sequence[np.ndarray], known: Sequence[Case]) -> np.ndarray:
    """Views of each case, (f, n) -> the weights (f,) that predict its latents best, the same at all places."""
    wanted = np.concatenate([c.latents for c in known])
    weights: np.ndarray = np.linalg.lstsq(np.concatenate(seen, axis=1).T, wanted, rcond=None)[0]
    return weights


def _by_place(known: Sequence[Case]) -> Guess:
    """One weight for the mean of the known secrets, and one for each view."""
    others = _means_of_others(known)
    weights = _weight([np.concatenate([o, c.views]) for o, c in zip(others, known, strict=True)], known)
    mean = _mean(known)[None]

    def guess(case: Case) -> np.ndarray:
        found: np.ndarray = weights @ np.concatenate([mean, case.views])
        return found

    return guess


def _as_whole(known: Sequence[Case], mean: np.ndarray, rng: np.random.Generator) -> Guess:
    """Fewer random projections of a stego than there are stegos, and a linear map to the secret, by least squares."""
    length = len(known[0].stego)
    projection = rng.standard_normal((max(1, len(known) // 2), length)) / length**0.5
    seen = np.stack([projection @ c.stego for c in known])
    middle = seen.mean(0)
    wanted = np.stack([c.latents for c in known]) - _mean(known)
    weights = np.linalg.lstsq(seen - middle, wanted, rcond=None)[0]

    def guess(case: Case) -> np.ndarray:
        found: np.ndarray = mean + (projection @ case.stego - middle) @ weights
        return found

    return guess
