import math
from functools import cache

import numpy as np
import pytest
import torch

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import authentic
from stegcli.methods.cs_fnns.decoder import Numbers, count
from stegcli.methods.cs_fnns.descriptor import BITS, Marks
from stegcli.methods.cs_fnns.goals import BytesGoal, PictureGoal, to_levels, to_log_odds
from stegcli.methods.cs_fnns.robust import after_jpeg, search_robust
from stegcli.methods.cs_fnns.search import BOUND, Found, Marked, search
from stegcli.methods.cs_fnns.spectrum import Head, measured

SIDE, PSNR, STEPS = 64, 26.0, 40
QUALITIES = (75, 90)


def stream(number: int) -> Stream:
    return Stream(bytes([number]) * 32)


@cache
def cover() -> torch.Tensor:
    drawn = np.random.default_rng(1).normal(110, 40, (1, 3, SIDE, SIDE))
    return torch.from_numpy(drawn.round().clip(8, 247).astype(np.float32))


@cache
def secret() -> torch.Tensor:
    ramp = torch.linspace(0, 1, SIDE // 4)
    wave = 0.5 + 0.4 * torch.sin(7 * ramp[:, None] + 3 * ramp)
    return torch.stack([wave, ramp.expand_as(wave), 1 - wave])[None]


@cache
def goal(seed: int = 2) -> tuple[Numbers, Head, PictureGoal]:
    net = Numbers(stream(seed), sparse=True)
    pilots = authentic.pilots(3 * (SIDE // 4) ** 2)
    head = Head(stream(seed + 1), SIDE // 4, SIDE // 4, measured(secret()), pilots)
    return net, head, PictureGoal.of(net, head, secret())


@cache
def marked() -> Marked:
    bits = torch.from_numpy(stream(4).bits(BITS).astype(np.float32)) * 2 - 1
    return Marked(Marks(stream(5), SIDE, SIDE), bits)


@cache
def found(qualities: tuple[int, ...] = QUALITIES) -> Found:
    random = np.random.default_rng(6)
    result = search_robust([goal()[2]], [marked()], cover(), PSNR, STEPS, random, qualities)
    assert result is not None
    return result


def recovered(perturbation: torch.Tensor) -> float:
    """dB of the secret that comes back."""
    net, head, _ = goal()
    shown = head.picture(net(perturbation)).clamp(0, 1)
    return -10 * math.log10(float((shown - secret()).square().mean()))


def test_a_sparse_decoder_gives_a_quarter_of_the_numbers_whatever_the_perturbations_scale() -> None:
    perturbation = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    net = Numbers(stream(1), sparse=True)
    assert net(perturbation).shape == (count(SIDE, SIDE, sparse=True),)
    torch.testing.assert_close(net(9 * perturbation), net(2 * perturbation), rtol=1e-3, atol=1e-3)


def test_a_sparse_decoder_looks_at_luminance_alone() -> None:
    net = Numbers(stream(1), sparse=True)
    perturbation = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    colour = torch.tensor([0.587, -0.299, 0.0])[None, :, None, None] * 20 * perturbation[:, :1]
    torch.testing.assert_close(net(perturbation + colour), net(perturbation), rtol=1e-3, atol=1e-3)


def test_the_perturbation_is_whole_levels_of_the_norm_inside_the_box() -> None:
    perturbation = found().perturbation
    assert torch.equal(perturbation, perturbation.round())
    assert perturbation.abs().max() <= BOUND
    stego = cover() + perturbation
    assert stego.min() >= 0
    assert stego.max() <= 255
    error = -20 * math.log10(float(perturbation.square().mean().sqrt()) / 255)
    assert PSNR - 0.005 <= error <= PSNR + 0.2


def test_descriptors_are_right_after_every_quality_and_without_jpeg() -> None:
    perturbation = found().perturbation
    assert marked().right(perturbation)
    assert all(marked().right(after_jpeg(cover(), perturbation, q)) for q in QUALITIES)


def test_the_secret_survives_files_of_every_quality_and_the_loss_is_that_of_the_worst() -> None:
    perturbation = found().perturbation
    files = [after_jpeg(cover(), perturbation, q) for q in QUALITIES]
    assert min(recovered(f) for f in files) > 24
    assert found().loss == pytest.approx(max(float(goal()[2].loss(f)) for f in files))


def test_jpeg_is_survived_better_than_by_the_plain_search() -> None:
    plain = search([goal()[2]], [marked()], cover(), PSNR, STEPS, np.random.default_rng(6))
    assert plain is not None
    saved = recovered(after_jpeg(cover(), plain.perturbation, 90))
    assert recovered(after_jpeg(cover(), found((90,)).perturbation, 90)) > saved + 1.5


def test_another_key_recovers_nothing() -> None:
    received = after_jpeg(cover(), found().perturbation, 90)
    shown = goal()[1].picture(Numbers(stream(9), sparse=True)(received)).clamp(0, 1)
    assert -10 * math.log10(float((shown - secret()).square().mean())) < 15


def test_bits_survive() -> None:
    bits = stream(7).bits(count(SIDE, SIDE, sparse=True))
    net = Numbers(stream(2), sparse=True)
    random = np.random.default_rng(8)
    aims = [BytesGoal(net, to_levels(bits, 1), torch.ones(len(bits), dtype=torch.bool))]
    result = search_robust(aims, [marked()], cover(), PSNR, STEPS, random, (75,))
    assert result is not None
    read = to_log_odds(net(after_jpeg(cover(), result.perturbation, 75)), 1) > 0
    assert np.array_equal(read, bits.astype(bool))


def test_the_search_stops_once_the_loss_is_low_enough() -> None:
    random = np.random.default_rng(6)
    result = search_robust([goal()[2]], [marked()], cover(), PSNR, STEPS, random, (90,), enough=1.0)
    assert result is not None
    assert result.steps < STEPS


def test_a_penalty_is_judged_on_the_stego_before_jpeg() -> None:
    seen = []

    def penalty(stego: torch.Tensor) -> torch.Tensor:
        seen.append(stego.detach().clone())
        return 0 * stego.sum()

    random = np.random.default_rng(6)
    search_robust([goal()[2]], [marked()], cover(), PSNR, 10, random, (90,), penalty)
    assert len(seen) == 6
    assert all(torch.equal(each, each.round()) for each in seen)
