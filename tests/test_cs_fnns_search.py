"""The search: what it finds is whole, within its box and norm, and decodes."""

import numpy as np
import pytest
import torch

from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import spectrum
from stegcli.methods.cs_fnns.decoder import Numbers
from stegcli.methods.cs_fnns.descriptor import BITS, Marks
from stegcli.methods.cs_fnns.goals import PictureGoal
from stegcli.methods.cs_fnns.search import Marked, deviation, search
from stegcli.methods.cs_fnns.spectrum import Head

SIDE = 64


@pytest.fixture(scope="module")
def secret(request):
    import skimage.data

    from stegcli.nn import tensors
    from stegcli.pictures import image

    return tensors.to_tensor(image.resized(skimage.data.coffee(), SIDE // 2, SIDE // 2))


def goal_of(secret, seed=0):
    stream = Stream(bytes([seed]) * 32)
    told = spectrum.measured(secret)
    return PictureGoal.of(Numbers(stream), Head(stream, SIDE // 2, SIDE // 2, told), secret)


def marked_of(seed=0):
    bits = np.random.default_rng(seed).integers(0, 2, BITS).astype(np.float32) * 2 - 1
    return Marked(Marks(Stream(bytes([seed]) * 32), SIDE, SIDE), torch.from_numpy(bits))


def cover_of(low=8, high=248):
    drawn = np.random.default_rng(0).integers(low, high, (1, 3, SIDE, SIDE))
    return torch.from_numpy(drawn.astype(np.float32))


def psnr_of(perturbation):
    return 20 * np.log10(255 / perturbation.square().mean().sqrt().item())


def run(secret, cover=None, psnr=42.0, steps=60, receivers=1, **more):
    goals, marked = [goal_of(secret, r) for r in range(receivers)], [marked_of(r) for r in range(receivers)]
    with torch.no_grad():
        found = search(
            goals, marked, cover_of() if cover is None else cover, psnr, steps, np.random.default_rng(0), **more
        )
    return found, goals, marked


@pytest.mark.parametrize("psnr", [36.0, 42.0, 46.0])
def test_whole_levels_of_the_norm_that_was_asked_for(secret, psnr):
    found, _, _ = run(secret, psnr=psnr)
    assert torch.equal(found.perturbation, found.perturbation.round())
    assert psnr <= psnr_of(found.perturbation) < psnr + 0.4


def test_decodes_and_describes(secret):
    found, goals, marked = run(secret)
    assert goals[0].loss(found.perturbation) == pytest.approx(found.loss, rel=1e-4)
    assert -10 * np.log10(found.loss) > 30
    assert all(m.right(found.perturbation) for m in marked)


def test_rounding_during_the_search_pays(secret):
    """An error like that of rounding at the end, the paper's way, would leave much more."""
    found, goals, _ = run(secret, steps=200)
    error = torch.from_numpy(np.random.default_rng(0).random(found.perturbation.shape, np.float32)) - 0.5
    assert goals[0].loss(found.perturbation + error) > 2 * found.loss


def test_more_steps_are_better(secret):
    few, many = (run(secret, steps=s)[0] for s in (30, 150))
    assert many.loss < 0.6 * few.loss


def test_stays_within_the_box(secret):
    cover = cover_of(0, 256)
    found, _, _ = run(secret, cover=cover)
    assert ((cover + found.perturbation >= 0) & (cover + found.perturbation <= 255)).all()


def test_several_receivers(secret):
    found, goals, marked = run(secret, psnr=40.0, receivers=2, steps=100)
    assert all(-10 * torch.log10(g.loss(found.perturbation)) > 25 for g in goals)
    assert all(m.right(found.perturbation) for m in marked)


def test_stops_once_it_is_enough(secret):
    found, _, _ = run(secret, enough=1.0)
    assert found.steps < 60


def test_a_penalty_is_heeded(secret):
    """One that pulls the stego's mean up."""
    free, pulled = (run(secret, penalty=p)[0] for p in (None, lambda stego: -1e-2 * stego.mean()))
    assert pulled.perturbation.mean() > free.perturbation.mean() + 0.02


def test_deviation():
    assert deviation(48.1308) == pytest.approx(1.0, rel=1e-4)
