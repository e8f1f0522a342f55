"""What a sender does around the network: refinement of the stego, rounding, and the way through the channel.

    host, secrets  --Network.hide-->  y  --refined-->  y  --written-->  samples  --sent-->  what arrives

The paper writes the network's output as it is. The sender knows the revealing network, so that it can do better.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stegcli.methods.riis import libjpeg, luma
from stegcli.methods.riis.net import blocks, rounding
from stegcli.methods.riis.net.mixing import Mixing
from stegcli.methods.riis.net.model import Network
from stegcli.methods.riis.net.surface import snapped, surface
from stegcli.pictures.channel import Channel

HEADROOM = {"png": 1.0, "noise": 0.0, "jpeg": 12.0}
"""Grey levels by which samples are first moved away from 0 and 255, where no change fits, by kind of channel."""
ROUNDS = 4  # of fitting a pixel's colour to its luminance
TRIES, MORE = 2, 8.0
"""How often a stego is made again with so many grey levels more of headroom in blocks that a JPEG would spoil."""
PUSHES, PUSH = 4, 0.3
"""How often coefficients that a JPEG would round to the next step are pushed, and how far in steps."""


def shrunk(levels: Tensor, channel: Channel, more: Tensor | None = None) -> Tensor:
    """Grey levels of a cover (b, 3, h, w) -> with headroom for the channel. more: grey levels besides, of each block,
    (b, 1, h/8, w/8)."""
    room = torch.full_like(levels[:, :1], HEADROOM[channel.kind])
    if more is not None:
        room = room + F.interpolate(more, scale_factor=blocks.SIDE)
    return torch.minimum(torch.maximum(levels, room), 255 - room)


def made(network: Network, cover: Tensor, secrets: Tensor, channel: Channel, steps: int, rate: float = 1.0) -> Tensor:
    """Grey levels of a cover (b, 3, h, w) and coefficients of its secrets -> whole grey levels of the stego.

    steps, rate: as `refined` has them. Blocks that a JPEG would write otherwise, for lack of headroom, get more of it.
    """
    more = torch.zeros_like(cover[:, :1, :: blocks.SIDE, :: blocks.SIDE])
    for _ in range(TRIES):
        host = blocks.forward(shrunk(cover, channel, more))
        y, _ = network.hide(host, secrets, channel)
        y = refined(network, y, host, secrets, channel, steps, rate)
        stego, missed = _written(y, channel, network.mixing(channel))
        if not missed.any():
            break
        more = more + MORE * missed
    return stego


def refined(
    network: Network, y: Tensor, host: Tensor, secrets: Tensor, channel: Channel, steps: int, rate: float = 1.0
) -> Tensor:
    """Newton steps on  weight |y - host|^2 + |reveal(y) - secrets|^2  towards its minimum in y.

    The curvature is taken from the linear optimum alone: exact as long as the couplings are zero. Of a linear network
    y is that minimum already.
    """
    if network.is_linear:
        return y
    mixing, found = network.mixing(channel), surface(channel)
    with torch.no_grad():
        step = found.lift @ torch.linalg.solve(mixing.form().cpu(), found.lift.T)
        step = step.to(y)
    for _ in range(steps):
        with torch.enable_grad():
            at = y.detach().requires_grad_()
            error = (network.reveal(at, channel)[0] - secrets).square().sum()
            loss = error + mixing.weight * (at - host).square().sum()
            (gradient,) = torch.autograd.grad(loss, at)
        y = y - rate / 2 * blocks.apply(step, gradient)
    return y.detach()


def written(y: Tensor, channel: Channel, mixing: Mixing) -> Tensor:
    """Coefficients of a stego (b, 192, h, w) -> whole grey levels (b, 3, 8h, 8w), rounded for what is read of them."""
    return _written(y, channel, mixing)[0]


def _written(y: Tensor, channel: Channel, mixing: Mixing) -> tuple[Tensor, Tensor]:
    """-> whole grey levels, and 1 for each block of which a JPEG would keep something else, (b, 1, h, w)."""
    form = mixing.form().cpu()
    if channel.kind == "jpeg":
        return _on_steps(y, channel, form)
    basis = blocks.basis()
    samples = blocks.rows(y) @ basis.to(y) + blocks.MIDDLE
    whole = rounding.nearest(samples, (basis.T @ form @ basis).to(y.device), 0, 255)
    levels = blocks.inverse(blocks.planes((whole - blocks.MIDDLE) @ basis.T.to(y), y)).round().clamp(0, 255)
    return levels, torch.zeros_like(y[:, :1])


def _on_steps(y: Tensor, channel: Channel, form: Tensor) -> tuple[Tensor, Tensor]:
    """The luminance on multiples of the quality's steps. Where libjpeg would still write another multiple, for whole
    samples move the luminance a little, its coefficients are pushed further."""
    found = surface(channel)
    steps = found.lattice.diagonal().to(y)
    read = blocks.rows(y) @ found.view.T.to(y)
    whole = rounding.nearest(read / steps, (found.lattice @ form @ found.lattice).to(y.device))
    pushed = torch.zeros_like(whole)
    for _ in range(PUSHES):
        moved = blocks.planes(((whole + pushed) * steps - read) @ found.lift.T.to(y), y)
        levels = _coloured(blocks.inverse(y + moved))
        missed = whole - _quantised(levels, channel).to(whole)
        if not missed.any():
            break
        pushed += PUSH * missed.clamp(-1, 1)
    return levels, blocks.planes(missed.any(1, keepdim=True).to(y), y)


def _coloured(colour: Tensor) -> Tensor:
    """Grey levels beyond 0 to 255 too -> whole ones; where a colour is cut, the others make up for its luminance."""
    weights = colour.new_tensor(blocks.LUMA)[:, None, None]
    wanted = (colour * weights).sum(1, keepdim=True).clamp(0, 255)
    for _ in range(ROUNDS):
        colour = colour.clamp(0, 255)
        missing = wanted - (colour * weights).sum(1, keepdim=True)
        free = weights * torch.where(missing > 0, colour < 255, colour > 0)
        colour = colour + missing * free / free.square().sum(1, keepdim=True).clamp(min=1e-9)
    return colour.round().clamp(0, 255)


def _quantised(levels: Tensor, channel: Channel) -> Tensor:
    """Whole grey levels (b, 3, h, w) -> the luminance that libjpeg will write, in steps, (n, 64)."""
    steps = libjpeg.table(round(channel.strength))
    pictures = levels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    found = [libjpeg.quantised(luma.to_blocks(p), steps) for p in pictures]
    return torch.from_numpy(np.concatenate(found).astype(np.int64)).flatten(1)


def sent(levels: Tensor, channel: Channel, rng: np.random.Generator) -> Tensor:
    """Whole grey levels (b, 3, h, w) -> coefficients of what arrives through the real channel, snapped."""
    if channel.kind != "png":
        pixels = levels.detach().permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
        arrived = np.stack([channel(p, rng) for p in pixels])
        levels = torch.from_numpy(arrived).permute(0, 3, 1, 2).to(levels)
    return snapped(blocks.forward(levels), channel)
