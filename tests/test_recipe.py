"""The randomness of a training step."""

import numpy as np
import pytest
import torch

from stegcli.recipe import Noise

KINDS = {
    "bits": lambda n: n.bits(5, 7),
    "uniform": lambda n: n.uniform(5, 7),
    "normal": lambda n: n.normal(5, 7),
}


@pytest.mark.parametrize("kind", KINDS)
def test_does_not_depend_on_how_a_batch_is_shared(kind):
    whole = KINDS[kind](Noise.of(3, 11, range(4)))
    halves = [KINDS[kind](Noise.of(3, 11, r)) for r in (range(2), range(2, 4))]
    assert whole.shape == (4, 5, 7)
    assert whole.dtype == torch.float32
    assert torch.equal(whole, torch.cat(halves))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_seeds_and_items_differ(kind):
    drawn = [KINDS[kind](Noise.of(seed, step, range(1)))[0] for seed, step in ((0, 0), (0, 1), (1, 0))]
    drawn += [KINDS[kind](Noise.of(0, 0, range(1, 2)))[0]]
    assert len({tuple(d.flatten().tolist()) for d in drawn}) == 4


def test_what_is_drawn_is_what_its_name_says():
    noise = Noise.of(0, 0, range(2))
    assert set(noise.bits(1000).unique().tolist()) == {-1.0, 1.0}
    uniform = Noise.of(0, 1, range(2)).uniform(20_000).numpy()
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert np.histogram(uniform, 10, (0, 1))[0] == pytest.approx(np.full(10, 4000), rel=0.1)
    normal = Noise.of(0, 2, range(2)).normal(20_000)
    assert normal.mean().item() == pytest.approx(0, abs=0.03)
    assert normal.std().item() == pytest.approx(1, abs=0.03)
