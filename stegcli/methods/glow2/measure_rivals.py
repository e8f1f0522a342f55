"""Measures the paper's own parts against ours, and the gain of the refiner, if the weights hold these parts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from stegcli.errors import RevealError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2 import measure_latents, noise, pictures, recipe_flow, recipe_glow
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.measure_secrecy import MOST_STEGOS, Case, leak, restorer
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.rivals.glow import Glow
from stegcli.methods.glow2.rivals.udm import CHANNELS, COPIES, MIXED, PaperUDM
from stegcli.methods.glow2.sender import TRIES
from stegcli.nn.drawing import acceptable
from stegcli.nn.wavelet import squeeze
from stegcli.pictures import metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

MOST_SECRETS = 8
MOST_REFINED = 16
BEYOND = 6.0
"""Latents are clipped to this range before the network sees them: a few outliers would spoil their neighbours."""


# -- the refiner


def refiner(method: Glow2, sample: Sample) -> dict[str, dict[str, float | None]]:
    """Attack -> PSNR of the cascade without the refiner and with it, for the same stegos; None if none was revealed."""
    return {str(a): _refined(method, sample, a) for a in sample.attacks}


def _refined(method: Glow2, sample: Sample, attack: Channel) -> dict[str, float | None]:
    psnrs: dict[str, list[float]] = {"without": [], "with": []}
    options = HideOptions("cascade", (sample.width, sample.height))
    for index, secret in enumerate(sample.secrets[:MOST_REFINED]):
        rng = sample.rng(f"refiner {attack}", index)
        key = Key(method.name, "", rng.bytes(32))
        request = Request((Secret(b"", secret),), (key,), survive=(attack,), options=options)
        stego = attack.through(next(method.drafts(request)).picture, rng)
        with contextlib.suppress(RevealError):  # without a header neither can reveal
            refined = _psnr(method, secret, stego, key)
            with _without_refiner(method):
                psnrs["without"].append(_psnr(method, secret, stego, key))
            psnrs["with"].append(refined)
    return {name: float(np.mean(p)) if p else None for name, p in psnrs.items()}


def _psnr(method: Glow2, secret: Picture, stego: Picture, key: Key) -> float:
    (revealed,) = method.reveal(stego, Asked(key))
    return metrics.psnr(secret.pixels, cast(Picture, revealed.picture).pixels)


@contextlib.contextmanager
def _without_refiner(method: Glow2) -> Iterator[None]:
    method.refines = False
    try:
        yield
    finally:
        method.refines = True


# -- the plain Glow


def glow(method: Glow2, sample: Sample) -> dict[str, object]:
    """Bits per dimension of the secrets under the plain Glow and G2, and correlation of the Glow's received latents.

    Its draws have the side it was trained on; larger draws show artefacts.
    """
    plain, flow = cast(Glow, method.glow), method.generator()
    height, width = sample.secrets[0].pixels.shape[:2]
    needs: dict[str, list[float]] = {"glow": [], "g2": []}
    for index, secret in enumerate(sample.secrets[:MOST_SECRETS]):
        uniform = sample.rng("glow", index).random((1, 3, height, width), np.float32)
        x = _dequantised(secret, uniform).to(method.device)
        losses = recipe_flow.nll(flow, x)
        needs["glow"].append(recipe_glow.nll(plain, x).item() / math.log(2) + math.log2(noise.LEVELS))
        needs["g2"].append(recipe_flow.bits_per_dimension(flow, losses, x))
    small = replace(sample, height=recipe_glow.SIDE, width=recipe_glow.SIDE)
    return {
        "bits_per_dimension": {name: float(np.mean(bits)) for name, bits in needs.items()},
        "correlation": measure_latents.bands(plain, small, method.temperature),
    }


def _dequantised(picture: Picture, uniform: np.ndarray) -> Tensor:
    levels = torch.from_numpy(np.array(picture.pixels)).permute(2, 0, 1)[None].float()
    return recipe_flow.dequantise(levels / 255, torch.from_numpy(uniform))


# -- the paper's UDM


@dataclass(frozen=True)
class Sent:
    """Latents of a secret (1, 3, h, w), the key (1, 3, 2h, 2w), the stego's latents, and the stego."""

    secret: Picture
    z1: Tensor
    key_noise: Tensor
    z2: Tensor
    pixels: np.ndarray


def udm(method: Glow2, sample: Sample) -> dict[str, object]:
    """PSNR of the paper's cascade for each attack, and the leak of its stegos without the key."""
    module = cast(PaperUDM, method.udm)
    square = replace(sample, height=2 * inner_side(sample), width=2 * inner_side(sample))
    psnrs: dict[str, list[float]] = {str(a): [] for a in sample.attacks}
    cases = []
    for index, sent in enumerate(_sent(method, square)):
        cases.append(_case(module, sent))
        for attack in sample.attacks if index < MOST_SECRETS else ():
            back = _revealed(method, square, sent, attack, sample.rng(f"udm {attack}", index))
            psnrs[str(attack)].append(metrics.psnr(sent.secret.pixels, back.pixels))
    means = {a: float(np.mean(p)) for a, p in psnrs.items()}
    return {"psnr": means, **leak(cases, restorer(method, square, inner_side(square)), square)}


def inner_side(sample: Sample) -> int:
    """Side of a secret that travels in the paper's four copies."""
    return min(sample.height, sample.width) // 2


def _sent(method: Glow2, sample: Sample) -> Iterator[Sent]:
    assert method.g1 is not None
    module, side, half = cast(PaperUDM, method.udm), sample.height, inner_side(sample)
    for index, secret in enumerate(sample.secrets[:MOST_STEGOS]):
        rng = sample.rng("udm", index)
        z1 = torch.from_numpy(pictures.to_latents(method.g1, secret, half)).view(1, CHANNELS, half, half)
        for _ in range(TRIES):
            key_noise = _normal(rng, CHANNELS, side, side)
            z2 = module.up(z1.to(method.device), key_noise.to(method.device), _nb(rng, half).to(method.device))
            x = method.draw(z2, side, side, method.temperature)
            if acceptable(x):
                break
        yield Sent(secret, z1, key_noise, z2.cpu(), noise.to_pixels(x.nan_to_num(0.5)))


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal((1, *shape), np.float32))


def _nb(rng: np.random.Generator, half: int) -> Tensor:
    return _normal(rng, MIXED, half, half)


def _revealed(method: Glow2, sample: Sample, sent: Sent, attack: Channel, rng: np.random.Generator) -> Picture:
    """The revealed secret, by the robust inverse if there is one, as in the paper."""
    picture = attack.through(Picture(sent.pixels), rng)
    if method.inverse is not None and picture.jpeg is not None:
        z2 = measure_latents.read(method.inverse.reader(method.generator()), picture)
    else:
        z2 = measure_latents.read(method.generator(), picture)
    z2 = (z2 / method.temperature).nan_to_num().clamp(-BEYOND, BEYOND)
    z1 = cast(PaperUDM, method.udm).down(z2, sent.key_noise.to(z2.device))
    return restorer(method, sample, inner_side(sample))(z1.flatten().cpu().numpy())


def _case(module: PaperUDM, sent: Sent) -> Case:
    """The attacker's view: they invert the matrix, which is part of the weights; then the key is additive noise."""
    matrix = module._normalised_matrix().cpu()
    of_sample = matrix.view(MIXED, COPIES, CHANNELS).sum(1)
    view = torch.einsum("ij,bjhw->bihw", torch.linalg.pinv(of_sample), math.sqrt(2) * squeeze(sent.z2))
    z1, z2 = (i.flatten().double().numpy() for i in (sent.z1, sent.z2))
    return Case(view.flatten()[None].double().numpy(), z2, z1, sent.secret)
