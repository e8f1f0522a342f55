"""The network coder: the paper's invertible network, trained blind, and the paper's own form with z.

bits, cover  --network-->  stego: every slot near which something is to be said is written anew
stego        --network-->  log-odds of each slot
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.about import About
from stegcli.coding import payload
from stegcli.coding.payload import Plan
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Request, Revealed, check_side
from stegcli.methods.lossless_inn import ABOUT, mending
from stegcli.methods.lossless_inn.net import COLOURS, SHARPNESS, BlindNet, run_tiled
from stegcli.nn.tensors import from_levels, to_levels
from stegcli.pictures.image import Picture
from stegcli.slots import BitMethod, codes_for, wrong_bits

TILE = 512
CERTAIN = 5.0
"""The most log-odds that a slot claims. The network is now and then sure of a wrong bit, and one such bit that claims
more than it knows undoes the decoding of a block."""
NOT_SECRET = "warning: the network coder is for comparison, not secret: common detectors find its stegos"
Z_ROUNDS, Z_MARGIN = 16, 0.25  # corrections of z, and how far from doubt they bring a bit (of 1)


class NetworkCoder(BitMethod):
    """message: slots per pixel, numbered channel by channel, row by row. weakest_code: as BitMethod has it.

    headroom: grey levels by which a sample to be written is first moved away from 0 and 255, where half of the changes
    would be cut off.
    """

    about: ClassVar[About] = ABOUT

    def __init__(self, message: int = 1, weakest_code: int = 2, headroom: int = 0, **config: Any):
        own = {"coder": "network", "message": message, "weakest_code": weakest_code, "headroom": headroom}
        super().__init__(own | config)
        self.weakest_code, self.headroom, self.message = weakest_code, headroom, message
        self._shape = config

    def build_networks(self) -> nn.Module:
        return nn.ModuleDict({"net": BlindNet(self.message, **self._shape)})

    @property
    def net(self) -> BlindNet:
        return cast(BlindNet, cast(nn.ModuleDict, self.networks)["net"])

    def needs_larger(self) -> str:
        return "use a larger cover" + (", or --weights coset (3 bits per pixel)" if self.message == 1 else "")

    # -- the interface of bit methods

    def slots(self, height: int, width: int) -> int:
        return self.message * height * width

    def log_odds(self, stego: Picture, key: Key) -> np.ndarray:
        return _flat(self.read(to_levels(stego.pixels)))

    def carry(self, plan: Plan, cover: Picture, key: Key) -> Picture:
        """The network's stego around the slots that would read wrongly in the cover, the cover elsewhere.

        The network moves every sample to the middle of what it reads as the right bit, wanted or not; its stego differs
        from the cover also where nothing is to be said. A slot is written by the samples next to it.
        """
        levels, target = to_levels(cover.pixels), self._target(plan, cover)
        wrong = self._maps(plan.used, cover) & (self.read(levels) * target <= 0)
        near = F.max_pool2d(wrong.any(1, keepdim=True).float(), 3, stride=1, padding=1) > 0
        return replace(cover, pixels=from_levels(torch.where(near, self.embed(levels, target), levels)))

    def mend(self, stego: Picture, plan: Plan) -> Picture:
        used = self._maps(plan.used, stego)
        mended = mending.mend(self, to_levels(stego.pixels), self._target(plan, stego), used)
        return replace(stego, pixels=from_levels(mended))

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
            lambda stego: self.net.read(stego.to(self.device)), (levels,), self.message, self.net.reach, TILE
        )

    def _maps(self, slots: np.ndarray, picture: Picture) -> Tensor:
        """One number for each slot (n,) -> (1, message, h, w)."""
        return torch.from_numpy(slots).reshape(1, self.message, picture.height, picture.width)

    def _target(self, plan: Plan, picture: Picture) -> Tensor:
        return self._maps(plan.bits.astype(np.float32) * 2 - 1, picture)

    # -- the paper's form: the receiver is handed z

    def drafts(self, request: Request) -> Iterator[Draft]:
        if request.format == "JPEG":
            raise UsageError("the network coder does not write JPEG", "leave --coder out, or write -o OUT.png")
        if request.options.key_out is None:
            yield from (replace(d, notes=(*d.notes, NOT_SECRET)) for d in super().drafts(request))
            return
        (secret,), (key,), cover = request.secrets, request.keys, request.cover
        assert cover is not None
        check_side(self, cover)
        natural = np.zeros(self.slots(cover.height, cover.width), np.uint8)
        for code in codes_for(self, len(natural), len(secret.data)):
            plan = payload.write(secret.data, key, natural, code)
            stego, z = self._with_z(plan, cover)
            wrong = wrong_bits(_flat(self._read_with_z(to_levels(stego.pixels), torch.from_numpy(z)[None])), plan)
            figures = {"code": code, "wrong_bits": wrong, "coded_bits": plan.coded_bits}
            capacity = self.room(cover.height, cover.width)
            yield Draft(
                stego, (secret.data,), ("bytes",), capacity, (NOT_SECRET,), tokens=(z,), cover=cover, measured=figures
            )
        raise CapacityError(0, len(secret.data), "use a larger cover")

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        return super().reveal(stego, asked) if asked.token is None else (self._reveal_with_z(stego, asked),)

    def readings(self, stego: Picture, asked: Asked) -> Iterator[tuple[Revealed, ...]]:
        if asked.token is None:
            yield from super().readings(stego, asked)
        else:
            yield (self._reveal_with_z(stego, asked),)

    def _with_z(self, plan: Plan, cover: Picture) -> tuple[Picture, np.ndarray]:
        """What the slots are to hold, and a cover -> stego, and z as float32 (message, h, w) for the receiver.

        Reference: section 3.1, "key file z". z has the size of the message in floats and depends on it: whoever needs
        both files is sent the message in the key. Rounding the stego to 8 bits spoils the inverse with the z of the
        forward pass (5 % wrong bits at 1 bit per pixel); so z is corrected where the rounded stego reads wrongly.
        """
        target = self._target(plan, cover)

        def run(levels: Tensor, message: Tensor) -> Tensor:
            return torch.cat(self.net.embed(levels.to(self.device), message.to(self.device)), dim=1)

        inputs = (to_levels(cover.pixels), target)
        both = run_tiled(run, inputs, COLOURS + self.message, self.net.reach, TILE)
        stego, z = both[:, :COLOURS].round().clamp(0, 255), both[:, COLOURS:]
        for _ in range(Z_ROUNDS):
            revealed = self._read_with_z(stego, z) / SHARPNESS
            short = revealed * target < Z_MARGIN
            if not short.any():
                break
            z = z + (target - revealed) * short
        return replace(cover, pixels=from_levels(stego)), z[0].numpy()

    def _reveal_with_z(self, stego: Picture, asked: Asked) -> Revealed:
        """Raises RevealError too if z is for a picture of another size."""
        if asked.key is None or asked.token is None:
            raise RevealError
        if asked.token.shape != (self.message, stego.height, stego.width):
            raise RevealError
        soft = _flat(self._read_with_z(to_levels(stego.pixels), torch.from_numpy(asked.token)[None]))
        return Revealed(payload.read(soft, asked.key, self.layout))

    def _read_with_z(self, levels: Tensor, z: Tensor) -> Tensor:
        return run_tiled(
            lambda s, k: self.net.read(s.to(self.device), k.to(self.device)),
            (levels, z), self.message, self.net.reach, TILE,
        )  # fmt: skip


def _flat(log_odds: Tensor) -> np.ndarray:
    return log_odds.reshape(-1).clamp(-CERTAIN, CERTAIN).numpy()
