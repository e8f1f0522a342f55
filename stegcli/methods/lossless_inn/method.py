"""The method: two coders, one contract.

    network   the paper's INN, trained blind: one or three slots per pixel, read by the network from the stego alone.
              The sender sees the whole channel: what the network reads wrongly is mended, the code corrects the rest.
    coset     three slots per pixel, the samples themselves; a syndrome-trellis code finds the few to change by
              one, and in which direction, where it shows least. The receiver needs integers and the key, no network;
              the sender takes costs from a filter (HILL) or from a learned density.

Which is better, measured side by side: `stego evaluate lossless-inn`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.coding.payload import Layout, upper_share
from stegcli.errors import RevealError, WeightsError
from stegcli.keys.key import Key
from stegcli.method import BitMethod, Cover
from stegcli.methods.lossless_inn import costs, mending
from stegcli.methods.lossless_inn.density import Density
from stegcli.methods.lossless_inn.directed import DirectedPlanes, distances
from stegcli.methods.lossless_inn.net import COLOURS, SHARPNESS, BlindNet, run_tiled


def build(coder: str, **config: Any) -> BitMethod:
    """Configuration, as weights carry it -> the method."""
    coders: dict[str, type[NetworkCoder] | type[CosetCoder]] = {"network": NetworkCoder, "coset": CosetCoder}
    if coder not in coders:
        raise WeightsError(f"this stego has no coder {coder!r} of lossless-inn", "install a newer stego")
    return coders[coder](**config)


TILE = 512
CERTAIN = 5.0
"""The most log-odds that a slot claims. The network is now and then sure of a wrong bit, and one such bit that claims
more than it knows undoes the decoding of a block."""
Z_ROUNDS, Z_MARGIN = 16, 0.25  # corrections of z, and how far from doubt they bring a bit (of 1)


class LosslessInn(BitMethod):
    name: ClassVar[str] = "lossless-inn"
    cover: ClassVar[Cover] = "given"
    options: ClassVar[frozenset[str]] = frozenset({"coder", "key-out"})


class NetworkCoder(LosslessInn):
    """message: slots per pixel, numbered channel by channel, row by row. weakest_code: as BitMethod has it.

    headroom: grey levels by which a sample to be written is first moved away from 0 and 255, where half of the changes
    would be cut off.
    """

    layout: Layout = "direct"

    def __init__(self, message: int = 1, weakest_code: int = 2, headroom: int = 0, **config: Any):
        own = {"coder": "network", "message": message, "weakest_code": weakest_code, "headroom": headroom}
        super().__init__(own | config)
        self.weakest_code, self.headroom = weakest_code, headroom
        self.net = BlindNet(message, **config)

    def capacity(self, height: int, width: int) -> int:
        return self.net.message * height * width

    def reveal(self, stego: Tensor, key: Key) -> np.ndarray:
        return self._flat(self.read(_levels(stego)))

    def hide(self, bits: np.ndarray, used: np.ndarray, cover: Tensor, key: Key) -> Tensor:
        """The network's stego around the slots that would read wrongly in the cover, the cover elsewhere.

        The network moves every sample to the middle of what it reads as the right bit, wanted or not; its stego differs
        from the cover also where nothing is to be said. A slot is written by the samples next to it.
        """
        levels, target = _levels(cover), self._maps(bits.astype(np.float32) * 2 - 1, cover)
        wrong = self._maps(used, cover) & (self.read(levels) * target <= 0)
        near = F.max_pool2d(wrong.any(1, keepdim=True).float(), 3, stride=1, padding=1) > 0
        return torch.where(near, self.embed(levels, target), levels) / 255

    def mend(self, stego: Tensor, bits: np.ndarray, used: np.ndarray) -> Tensor:
        target = self._maps(bits.astype(np.float32) * 2 - 1, stego)
        return mending.mend(self, _levels(stego), target, self._maps(used, stego)) / 255

    def embed(self, levels: Tensor, target: Tensor) -> Tensor:
        """Cover in grey levels and bits +-1 -> stego in grey levels, rounded and clamped."""

        def run(cover: Tensor, message: Tensor) -> Tensor:
            inside = cover.to(self.device).clamp(self.headroom, 255 - self.headroom)
            stego, _ = self.net.embed(inside, message.to(self.device))
            return stego.round().clamp(0, 255)

        return run_tiled(run, (levels, target), COLOURS, self.net.reach, TILE)

    def read(self, levels: Tensor) -> Tensor:
        """Stego in grey levels -> log-odds (1, message, h, w)."""
        return run_tiled(
            lambda stego: self.net.read(stego.to(self.device)), (levels,), self.net.message, self.net.reach, TILE
        )

    # -- the paper's mode: the receiver is handed z

    def hide_with_z(self, bits: np.ndarray, cover: Tensor) -> tuple[Tensor, np.ndarray]:
        """Bits (n,) and cover -> stego, and z as float32 (message, h, w) for the receiver.

        Reference: section 3.1, "key file z". z has the size of the message in floats and depends on it: whoever needs
        both files is sent the message in the key. Rounding the stego to 8 bits spoils the inverse with the z of the
        forward pass (5 % wrong bits at 1 bit per pixel); so z is corrected where the rounded stego reads wrongly.
        """
        target = self._maps(bits.astype(np.float32) * 2 - 1, cover)

        def run(levels: Tensor, message: Tensor) -> Tensor:
            return torch.cat(self.net.embed(levels.to(self.device), message.to(self.device)), dim=1)

        both = run_tiled(run, (_levels(cover), target), COLOURS + self.net.message, self.net.reach, TILE)
        stego, z = both[:, :COLOURS].round().clamp(0, 255), both[:, COLOURS:]
        for _ in range(Z_ROUNDS):
            revealed = self._read_with_z(stego, z) / SHARPNESS
            short = revealed * target < Z_MARGIN
            if not short.any():
                break
            z = z + (target - revealed) * short
        return stego / 255, z[0].numpy()

    def reveal_with_z(self, stego: Tensor, z: np.ndarray) -> np.ndarray:
        """Stego and z -> log-odds of each slot (n,). Raises RevealError if z is for a picture of another size."""
        if z.shape != (self.net.message, *stego.shape[2:]):
            raise RevealError
        return self._flat(self._read_with_z(_levels(stego), torch.from_numpy(z)[None]))

    def _read_with_z(self, levels: Tensor, z: Tensor) -> Tensor:
        return run_tiled(
            lambda s, k: self.net.read(s.to(self.device), k.to(self.device)),
            (levels, z), self.net.message, self.net.reach, TILE,
        )  # fmt: skip

    def _maps(self, slots: np.ndarray, image: Tensor) -> Tensor:
        return torch.from_numpy(slots).reshape(1, self.net.message, *image.shape[2:])

    def _flat(self, log_odds: Tensor) -> np.ndarray:
        return log_odds.reshape(-1).clamp(-CERTAIN, CERTAIN).numpy()


class CosetCoder(LosslessInn):
    """Slots are the samples, in the order of a (3, h, w) array; a slot holds its sample modulo 4.

    Nearly every sample that changes at all changes by one. costs: "hill", or "density", whose configuration follows.
    Receivers need neither: stegos of either are read alike.
    """

    layout: Layout = "coset"

    def __init__(self, costs: str = "hill", **config: Any) -> None:
        if costs not in ("hill", "density"):
            raise WeightsError(f"this stego has no costs {costs!r} of lossless-inn", "install a newer stego")
        if costs == "hill" and config:
            raise TypeError(f"HILL costs take no {', '.join(config)}")
        super().__init__({"coder": "coset"} if costs == "hill" else {"coder": "coset", "costs": costs} | config)
        self.density = Density(**config) if costs == "density" else None

    def capacity(self, height: int, width: int) -> int:
        return COLOURS * height * width

    def reveal(self, stego: Tensor, key: Key) -> np.ndarray:
        samples = _samples(stego)
        return np.stack([samples & 1, samples >> 1 & 1]).astype(np.float32) * 2 - 1

    def planes(self, cover: Tensor) -> SamplePlanes | DirectedPlanes:
        if self.density is None:
            return SamplePlanes(_samples(cover), costs.hill(_levels(cover)))
        return DirectedPlanes(_samples(cover), *costs.of_density(self.density, _levels(cover)))

    def hide(self, bits: np.ndarray, used: np.ndarray, cover: Tensor, key: Key) -> Tensor:
        samples = _samples(cover)
        down, up = distances(samples, bits[0] | bits[1] << 1)
        coin = key.stream("direction").bits(len(samples)).astype(bool)
        rise = (up < down) | ((up == down) & coin)
        changed = samples + np.where(rise, up, -down)
        return torch.from_numpy(changed).reshape(cover.shape).float() / 255


class SamplePlanes:
    """The samples (n,) of a cover as two planes of bits. A flip costs the squared change times the sample's cost."""

    def __init__(self, samples: np.ndarray, costs: np.ndarray):
        self.samples, self.costs = samples, costs

    def __len__(self) -> int:
        return len(self.samples)

    def share(self, bits: int, slots: int) -> int:
        return upper_share(bits, slots)

    def plane(self, index: int, lower: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        if index == 0 or lower is None:
            return (self.samples & 1).astype(np.uint8), self.costs
        zero, one = (_cheapest(self.samples, lower | upper << 1) for upper in (0, 1))
        # Where both cost the same, the cover's own bit serves: any choice would do.
        own = (self.samples >> 1 & 1).astype(np.uint8)
        natural = np.where(zero == one, own, one < zero).astype(np.uint8)
        return natural, np.abs(zero - one).astype(np.float32) * self.costs


def _cheapest(samples: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The squared change of the nearer of the two ways."""
    nearer: np.ndarray = np.minimum(*distances(samples, wanted)).astype(np.int16)
    squared: np.ndarray = nearer * nearer
    return squared


def _samples(image: Tensor) -> np.ndarray:
    """Image -> whole grey levels, int16 (n,)."""
    return _levels(image).to(torch.int16).reshape(-1).numpy()


def _levels(image: Tensor) -> Tensor:
    """Image on the 8-bit grid -> whole grey levels, float32."""
    return image.detach().cpu().mul(255).round()
