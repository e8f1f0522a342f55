"""The cascade revealed with other keys.

Reference: the paper, section V-F, Eq. 16: its key K becomes K + d (N - K), with fresh noise N. Our pad lies on a
circle, and rotations are drawn from uniform numbers too, so the noise is added to all of these modulo 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2.descriptor import from_int
from stegcli.methods.glow2.layout import Share
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.receiver import Receiver, read_header
from stegcli.pictures import metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

SIGMAS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Standard deviations of the noise added to the pad, whose numbers are uniform in (0, 1)."""
WRONG = "wrong key"
MOST_SECRETS = 8
Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PadKey(Key):
    """A key with the right header and places but other pads and rotations: `change` maps the uniform numbers of the
    right ones to theirs."""

    change: Change = field(default=np.array, repr=False)

    def stream(self, purpose: str, number: int = 0) -> Stream:
        if purpose not in ("pad", "rotations"):
            return super().stream(purpose, number)
        return _ChangedStream(self.derive(purpose, number), self.change)


class _ChangedStream(Stream):
    def __init__(self, seed: bytes, change: Change):
        super().__init__(seed)
        self._change = change

    def uniform(self, n: int) -> np.ndarray:
        return self._change(super().uniform(n))


def perturbed(pad: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The pad with normal noise added, modulo 1."""
    moved: np.ndarray = (pad + sigma * rng.standard_normal(len(pad))) % 1.0
    return moved


def other(pad: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pad that is independent of this one."""
    return rng.random(len(pad))


def measure(method: Glow2, sample: Sample) -> dict[str, dict[str, float | None]]:
    """Attack -> change of the key -> PSNR of the revealed secret, the mean over secrets.

    The whole curve is measured for the first attack only. None where a header could not be read.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for index, secret in enumerate(sample.secrets[:MOST_SECRETS]):
        for attack in sample.attacks:
            rng = sample.rng(f"keys {attack}", index)
            psnrs = _psnrs(method, secret, attack, sample, rng)
            for name, psnr in psnrs.items():
                found.setdefault(str(attack), {}).setdefault(name, []).extend(psnr)
    return {a: {n: float(np.mean(p)) if p else None for n, p in row.items()} for a, row in found.items()}


def _psnrs(
    method: Glow2, secret: Picture, attack: Channel, sample: Sample, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Change of the key -> a list of one PSNR, empty if the header could not be read."""
    key = Key(method.name, "", rng.bytes(32))
    options = HideOptions("cascade", (sample.width, sample.height))
    request = Request((Secret(b"", secret),), (key,), survive=(attack,), options=options)
    stego = attack.through(next(method.drafts(request)).picture, rng)
    curve = SIGMAS if attack == sample.attacks[0] else SIGMAS[:1]
    keys = {f"{s:g}": _changed(key, functools.partial(perturbed, sigma=s, rng=rng)) for s in curve}
    return _revealed(method, stego, secret, keys | {WRONG: _changed(key, functools.partial(other, rng=rng))})


def _changed(key: Key, change: Change) -> PadKey:
    return PadKey(key.method, key.weights, key.secret, change=change)


def _revealed(method: Glow2, stego: Picture, secret: Picture, keys: Mapping[str, Key]) -> dict[str, list[float]]:
    """Read the stego once, as `reveal` does, and its header with the first key: the keys differ only in the pad."""
    heard = method.latents(stego.pixels, stego.jpeg)
    right, share = next(iter(keys.values())), Share()
    bands = method.bands(stego.height, stego.width)
    try:
        header = *read_header(*heard.at(method.temperature), bands, right, share), share
    except RevealError:
        return {name: [] for name in keys}
    nonce, descriptor, share = header
    found = {}
    for name, key in keys.items():
        receiver = Receiver(method, stego, Asked(key))
        picture = receiver.picture(heard, receiver.carried(nonce, from_int(descriptor), share))  # not checked
        found[name] = [metrics.psnr(secret.pixels, picture.pixels)]
    return found
