"""glow2's super-resolution: down-sampling is Pillow's, the module starts as bicubic and learns past it."""

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image as Pillow
from torch import nn

from stegcli.methods.glow2.recipe_sr import RECIPE, add_noise, halve, random_sigmas
from stegcli.methods.glow2.sr import Upscaler, bicubic
from stegcli.nn.tensors import to_pixels, to_tensor
from stegcli.recipe import Noise, Step


class Carrier(nn.Module):
    """Stands in for the method: all that the recipe reads of it is `sr`."""

    def __init__(self):
        super().__init__()
        self.sr = Upscaler(blocks=1, width=8)


@pytest.fixture
def carrier():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Carrier()


@pytest.fixture(scope="module")
def photos():
    """Float32 (4, 3, 64, 64): parts of a photo that have edges."""
    whole = to_tensor(skimage.data.astronaut())
    corners = [(0, 192), (64, 192), (128, 192), (320, 64)]
    return torch.cat([whole[..., r : r + 64, c : c + 64] for r, c in corners])


def noise(step, count):
    return Noise.of(0, step, range(count))


def pillow(pixels, height, width, kernel):
    return np.array(Pillow.fromarray(pixels).resize((width, height), kernel)).astype(int)


PICTURES = {
    "photo": np.ascontiguousarray(skimage.data.astronaut()[:128, 100:260]),
    "random": np.random.default_rng(0).integers(0, 256, (50, 64, 3), np.uint8),
    "extremes": np.random.default_rng(1).choice(np.array([0, 255], np.uint8), (64, 50, 3)),
    "smaller than the kernel": np.random.default_rng(2).integers(0, 256, (4, 2, 3), np.uint8),
}


@pytest.mark.parametrize("pixels", PICTURES.values(), ids=PICTURES)
def test_halving_is_pillows(pixels):
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    expected = pillow(pixels, height, width, Pillow.Resampling.LANCZOS)
    halved = halve(to_tensor(pixels))
    assert np.abs(to_pixels(halved) - expected).max() <= 1
    assert torch.allclose(halved * 255, (halved * 255).round(), atol=1e-4)


def test_bicubic_is_pillows():
    pixels = PICTURES["photo"]
    height, width = 2 * pixels.shape[0], 2 * pixels.shape[1]
    expected = pillow(pixels, height, width, Pillow.Resampling.BICUBIC)
    # Pillow keeps bytes between its two passes, the module does not. With another kernel, a = -3/4, it would be 10.
    assert np.abs(to_pixels(bicubic(to_tensor(pixels))) - expected).max() <= 2


def test_upscaler_starts_as_bicubic_at_any_size():
    x = torch.rand(2, 3, 5, 8)
    made = Upscaler(blocks=2, width=4)(x)
    assert made.shape == (2, 3, 10, 16)
    assert torch.equal(made, bicubic(x))


def test_default_size_is_the_recipes():
    parameters = sum(p.numel() for p in Upscaler().parameters())
    assert parameters == sum(p.numel() for p in Upscaler(**RECIPE.config["sr"]).parameters())
    assert 430_000 < parameters < 450_000


def test_half_of_the_items_get_noise_of_all_strengths():
    sigmas = random_sigmas(noise(0, 400))
    noisy = sigmas[sigmas > 0]
    assert 160 < len(noisy) < 240
    assert noisy.min() < 0.5
    assert 7.5 < noisy.max() < 8


def test_noise_has_the_strength_asked_for():
    grey = torch.full((3, 3, 64, 64), 0.5)
    changed = (add_noise(grey, torch.tensor([0.0, 2.0, 8.0]), noise(0, 3)) - grey) * 255
    assert changed.flatten(1).std(1).tolist() == pytest.approx([0, 2, 8], rel=0.03)


def test_noise_stays_in_range():
    black_and_white = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    noisy = add_noise(black_and_white, torch.full((2,), 8.0), noise(0, 2))
    assert (noisy.min(), noisy.max()) == (0, 1)


def test_loss_repeats_and_depends_on_the_step(carrier, photos):
    loss = RECIPE.stages[0].loss
    first, again, other = (loss(carrier, photos, Step(noise(s, 4), 0.0))["l1"].item() for s in (1, 1, 2))
    assert first == again != other


def test_training_beats_bicubic(carrier, photos):
    stage = RECIPE.stages[0]
    trained = [p for n, p in carrier.named_parameters() if n.startswith(stage.trains)]
    optimizer = torch.optim.Adam(trained, lr=4e-3)
    for step in range(60):
        optimizer.zero_grad()
        stage.loss(carrier, photos, Step(noise(step, 4), 0.0))["l1"].backward()
        optimizer.step()
    with torch.no_grad():
        figures = RECIPE.validate(carrier, photos)
    assert figures["psnr"] > figures["psnr_bicubic"] + 0.3
    assert figures["psnr_noisy"] < figures["psnr"]


@torch.no_grad()
def test_figures_start_at_bicubic(carrier, photos):
    figures = RECIPE.validate(carrier, photos)
    assert figures["psnr"] == figures["psnr_bicubic"]
    assert 20 < figures["psnr_noisy"] < figures["psnr"] < 40


@torch.no_grad()
def test_sample_is_a_sheet_of_four_columns(carrier, photos):
    sheet = RECIPE.sample(carrier, photos[:2])
    assert sheet.shape == (1, 3, 2 * 64, 4 * 64)
    small = halve(photos[:2])
    first, second, _, truth = sheet[0, :, 64:].split(64, dim=2)
    assert torch.equal(first[:, ::2, ::2], small[1])
    assert torch.equal(second, bicubic(small)[1].clamp(0, 1))
    assert torch.equal(truth, photos[1])
