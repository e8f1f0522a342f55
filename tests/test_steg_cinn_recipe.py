import numpy as np
import pytest
import torch
from skimage import data

from stegcli import methods
from stegcli.methods.steg_cinn import recipe_coarse, recipe_fine
from stegcli.recipe import Noise, Step

SMALL = {"fine": {"width": 4, "split": []}, "coarse": {"width": 4, "features": 4}}


@pytest.fixture(scope="module")
def images():
    photos = np.stack([np.ascontiguousarray(p[:256, :256]) for p in (data.astronaut(), data.coffee())])
    return torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("recipe", [recipe_fine, recipe_coarse], ids=["fine", "coarse"])
def test_the_loss_falls_and_is_the_same_twice(recipe, images):
    method = methods.build("steg-cinn", **SMALL)
    optimizer = torch.optim.Adam(method.networks.parameters(), 1e-3)
    losses = []
    for _ in range(3):
        step = Step(Noise.of(0, 0, range(2)), 0.5)
        total = sum(recipe.likelihood_loss(method, images, step).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < losses[0]
    fresh = Step(Noise.of(0, 0, range(2)), 0.5)
    with torch.no_grad():
        one = recipe.likelihood_loss(method, images, fresh)
        two = recipe.likelihood_loss(method, images, Step(Noise.of(0, 0, range(2)), 0.5))
    assert {n: t.item() for n, t in one.items()} == {n: t.item() for n, t in two.items()}


def test_validation_counts_bits_per_pixel(images):
    method = methods.build("steg-cinn", **SMALL)
    with torch.no_grad():
        fine, coarse = recipe_fine.validate(method, images), recipe_coarse.validate(method, images)
    assert fine["bpp_grain0"] == pytest.approx(sum(fine[f"bpp{n}_grain0"] for n in (1, 2, 3)))
    assert 2 < fine["bpp_grain0"] < 20
    assert 2 < coarse["mean"] < 12


def test_half_of_the_photos_are_made_small_and_the_rest_spread(images):
    from stegcli.methods.steg_cinn import covers
    from stegcli.pictures import image
    from stegcli.pictures.image import Picture

    photo = image.decode(image.encode(Picture(np.ascontiguousarray(data.astronaut()[:256, :256])), "JPEG", 90)).pixels
    found = [recipe_fine.prepared(photo, np.random.default_rng(i)) for i in range(12)]
    assert all(f.shape == (128, 128, 3) for f in found)
    assert all(covers.share_of_jpeg(f) < 0.7 for f in found)


def test_plain_photos_are_grey_or_even_somewhere(images):
    photo = (images[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()[:128, :128]
    kinds = [recipe_fine.plain(photo, np.random.default_rng(i)) for i in range(40)]
    assert all(k.shape == photo.shape and k.dtype == np.uint8 for k in kinds)
    colourless = [k for k in kinds if (k == k[..., :1]).all()]
    two_levels = [k for k in colourless if len(np.unique(k)) == 2]
    kept = [k for k in kinds if 0.05 < (k == photo).all(axis=2).mean() < 1]
    assert len(colourless) > len(two_levels) > 0
    assert kept


def test_untrained_networks_would_put_specks_into_grey_photos(images):
    method = methods.build("steg-cinn", **SMALL)
    with torch.no_grad():
        assert 0.3 < recipe_fine.validate(method, images)["specks"] <= 1


def test_places_of_parts_lie_inside_the_photo(images):
    pixels, position = recipe_coarse._prepared(images, Noise.of(0, 0, range(2)), 0.0)
    assert pixels.shape == (2, 3, 128, 128)
    assert position.abs().max() <= 1
    spans = position.amax((2, 3)) - position.amin((2, 3))
    assert torch.allclose(spans, torch.full((2, 2), 31 / 32))
