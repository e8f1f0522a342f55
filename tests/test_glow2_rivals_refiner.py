"""glow2's refiner: it starts as the average of what may have been sent, and learns from what really arrives."""

import copy
import json
import random
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flow_helpers import settled, untrained
from skimage import data as samples

from stegcli import weights
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2 import layout, measure, pictures, sender
from stegcli.methods.glow2.method import build
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.rivals import recipe_refiner
from stegcli.methods.glow2.rivals.recipe_refiner import CHANNELS, RECIPE, refiner_loss, revealed, sample, sent, validate
from stegcli.methods.glow2.rivals.refiner import LEAST, PAIRS, Guess, Refiner, fixed_signs, guess
from stegcli.nn import tensors
from stegcli.nn.tensors import to_tensor
from stegcli.nn.wavelet import bands
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture
from stegcli.recipe import Noise, Step

SHAPE = {"widths": [4, 4, 4], "steps": [1, 1, 1]}
REFINER = {"levels": 2, "blocks": 1, "width": 8}
SMALL, LARGE = (64, 64), (128, 128)
ASSEMBLE = Path(__file__).parent.parent / "training" / "assemble.py"


def made(refiner=None):
    """A method of flows that never learnt anything; with a refiner that did, if its configuration is given."""
    method = untrained(build(g1=SHAPE, g2=SHAPE, refiner=refiner))
    if refiner:
        settled(method.refiner)
    return method


@pytest.fixture(scope="module")
def plain():
    return made()


@pytest.fixture(scope="module")
def refined():
    return made(REFINER)


@pytest.fixture(scope="module")
def photos():
    """Float32 (3, 3, 64, 64) on the 8-bit grid."""
    whole = to_tensor(samples.astronaut())
    return torch.cat([whole[..., r : r + 64, 192:256] for r in (0, 64, 128)])


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def key_of(number=0):
    return Key("glow2", "x", bytes([number]) * 32)


def picture_secret(side=128, left=128):
    return Secret(b"", Picture(np.ascontiguousarray(samples.astronaut()[:side, left : left + side])))


def shown(x):
    return tensors.to_pixels(x[None])


def step(number=0, count=3):
    return Step(Noise.of(0, number, range(count)), 0.5)


def ways(*channels):
    return [(c, 0) for c in channels]


# -- what may have been sent


def guess_of(refined, deviation, seed=0, side=32, pairs=PAIRS):
    z = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 3, side, side))).float()
    signs = Noise.of(0, seed, range(1)).bits(pairs, 3, side, side)
    return z, guess(refined.g1, z, torch.full_like(z, deviation), signs)


def test_latents_that_are_known_make_one_picture(refined):
    z, known = guess_of(refined, 0.0)
    assert torch.equal(known.middle, pictures.inverse(refined.g1, z))
    assert torch.allclose(known.average, known.middle, atol=1e-6)
    assert torch.equal(known.spread, torch.full_like(z, LEAST))


def test_the_spread_is_that_of_the_pictures_and_grows_with_the_deviations(refined):
    spreads = [guess_of(refined, d)[1].spread.mean().item() for d in (0.0, 0.1, 0.3)]
    assert spreads == sorted(spreads)
    z, found = guess_of(refined, 0.1, pairs=64)
    rng = np.random.default_rng(1)
    drawn = [z + 0.1 * torch.from_numpy(rng.standard_normal(z.shape)).float() for _ in range(64)]
    expected = torch.stack([pictures.inverse(refined.g1, d) for d in drawn]).std(0).mean().item()
    assert found.spread.mean().item() == pytest.approx(expected, rel=0.15)


def test_the_average_is_nearer_to_that_of_all_pictures_than_the_middle(refined):
    """Draws of the latents beside it: their average is what would be best, and G1 is no linear map."""
    z, found = guess_of(refined, 0.6, side=8)
    rng = np.random.default_rng(1)
    drawn = [z + 0.6 * torch.from_numpy(rng.standard_normal(z.shape)).float() for _ in range(400)]
    best = torch.stack([pictures.inverse(refined.g1, d) for d in drawn]).mean(0)
    assert (found.average - best).square().mean() < (found.middle - best).square().mean()


def test_latents_lost_on_the_way_count_as_unknown(refined):
    z, lost = guess_of(refined, float("nan"))
    _, unknown = guess_of(refined, 1.0)
    assert torch.equal(lost.average, unknown.average)
    assert torch.equal(refined.refiner(lost), refined.refiner(unknown))
    damaged = refined.refiner.restore(refined.g1, torch.full_like(z, float("nan")), torch.full_like(z, float("nan")))
    assert damaged.isfinite().all()


def test_every_receiver_moves_the_latents_alike():
    z = torch.zeros(1, 3, 16, 16)
    signs = fixed_signs(z)
    assert signs.shape == (1, PAIRS, 3, 16, 16)
    assert torch.equal(signs.abs(), torch.ones_like(signs))
    assert signs.mean().abs() < 0.1
    assert torch.equal(signs, fixed_signs(z + 1))


# -- the network


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 96), (160, 96), (32, 224)])
def test_it_starts_as_the_average_at_any_size(height, width):
    x, average, deviation = (rand(1, 3, height, width, seed=s) for s in range(3))
    assert torch.equal(Refiner()(Guess(x, average, 0.1 + deviation, deviation)), average)


@pytest.mark.parametrize("side", [8, 24, 40, 56])
def test_odd_multiples_of_the_flows_side_will_do(refined, side):
    _, found = guess_of(refined, 0.3, side=side)
    better = refined.refiner(found)
    assert better.shape == (1, 3, side, side)
    assert (better - found.average).abs().max() > 1e-3


def test_what_is_known_is_hardly_touched(refined):
    """It corrects in units of the spread."""
    moved = [(refined.refiner(g) - g.average).abs().mean() for _, g in (guess_of(refined, d) for d in (0.0, 0.3))]
    assert moved[0] < 0.1 * moved[1]


def test_maps_are_each_bands_mean_deviation():
    net, deviation = Refiner(**REFINER), torch.zeros(1, 3, 16, 16)
    for index, band in enumerate(bands(16, 16, 2)):
        deviation.view(-1)[band.stretch] = index / 10
    expected = torch.arange(5).view(1, 5, 1, 1).expand(1, 5, 8, 8) / 10
    assert torch.allclose(net.maps(deviation), expected)


def test_maps_lie_where_the_latents_do():
    y1 = bands(16, 16, 2)[0]
    deviation = torch.zeros(1, 3 * 16 * 16)
    deviation[0, y1.start + 8 * 2 + 5] = 1.0  # first channel of y1, row 2, column 5
    shown = Refiner(**REFINER).maps(deviation.view(1, 3, 16, 16))
    assert shown[0, 0, 2, 5] == pytest.approx(1 / 3)
    assert shown.count_nonzero() == 1


def test_what_is_far_away_does_not_count(refined):
    """Fully convolutional: a window of it is what the window alone gives, away from the border."""
    whole = [0.1 + rand(1, 3, 64, 64, seed=s) for s in range(3)]
    flat = torch.full((1, 3, 64, 64), 0.5)
    one, part = (refined.refiner(Guess(*(t[..., :side, :side] for t in (*whole, flat)))) for side in (64, 32))
    assert torch.allclose(one[..., :16, :16], part[..., :16, :16], atol=1e-5)
    assert not torch.allclose(one[..., :32, :32], part, atol=1e-3)


def test_default_size_is_the_recipes():
    parameters = sum(p.numel() for p in Refiner().parameters())
    assert parameters == sum(p.numel() for p in Refiner(**RECIPE.config["refiner"]).parameters())
    assert 300_000 < parameters < 600_000


# -- in the method


def drafted(method, secrets, keys, size):
    options = HideOptions("cascade", size)
    return next(method.drafts(Request(tuple(secrets), tuple(keys), options=options)))


def shown_to(method, draft, key, token=None):
    """The picture that a receiver gets."""
    (revealed,) = method.reveal(draft.picture, Asked(key, token))
    return revealed.picture


@torch.no_grad()
def test_what_comes_back_is_refined(plain, refined):
    draft = drafted(plain, [picture_secret()], [key_of()], LARGE)
    before, after = (shown_to(m, draft, key_of()) for m in (plain, refined))
    assert before.pixels.shape == after.pixels.shape == (128, 128, 3)
    assert np.abs(before.pixels.astype(int) - after.pixels).mean() > 0.1


@torch.no_grad()
def test_tokens_bring_refined_pictures(plain, refined):
    secrets, keys = [picture_secret(), picture_secret(left=256)], [key_of(1), key_of(2)]
    draft = drafted(plain, secrets, keys, LARGE)
    for key, token in zip(keys, draft.tokens, strict=True):
        before, after = (shown_to(m, draft, key, token) for m in (plain, refined))
        assert np.abs(before.pixels.astype(int) - after.pixels).mean() > 0.1


@torch.no_grad()
def test_without_one_the_latents_means_are_shown_as_ever(plain, monkeypatch):
    seen = []

    def noted(*arguments):
        seen.append(arguments)
        return to_picture(*arguments)

    to_picture = pictures.to_picture
    monkeypatch.setattr(pictures, "to_picture", noted)
    draft = drafted(plain, [picture_secret()], [key_of()], SMALL)
    back = shown_to(plain, draft, key_of())
    g1, sr, z, side, width, height, restore = seen[0]
    assert (sr, side, width, height, restore) == (None, 64, 128, 128, None)
    expected = image.resized(shown(pictures.inverse(g1, torch.from_numpy(z).view(1, 3, 64, 64))[0]), 128, 128)
    assert np.array_equal(back.pixels, expected)


def test_weights_without_one_say_nothing_of_it(plain, refined):
    assert plain.refiner is None
    assert "refiner" not in plain.config
    assert not any(n.startswith("refiner") for n in plain.networks.state_dict())
    assert refined.config["refiner"] == REFINER
    assert {n for n in refined.networks.state_dict() if n not in plain.networks.state_dict()} == {
        n for n in refined.networks.state_dict() if n.startswith("refiner.")
    }


@torch.no_grad()
def test_it_comes_before_the_upscaler(plain):
    seen = []

    def upscaler(x):
        seen.append(x)
        return torch.nn.functional.interpolate(x, scale_factor=2)

    z = pictures.to_latents(plain.g1, picture_secret().picture, 32)
    back = pictures.to_picture(plain.g1, upscaler, z, 32, 64, 64, lambda latents: latents.sigmoid())
    assert back.pixels.shape == (64, 64, 3)
    assert torch.equal(seen[0], torch.from_numpy(z).view(1, 3, 32, 32).sigmoid())


# -- what it learns from


@torch.no_grad()
def test_secrets_come_back_as_they_do_in_earnest(photos, monkeypatch):
    """Through trained flows: about as well as by `drafts` and `reveal`, and less well the harsher the channel."""
    source = random.Random(0)
    fixed = SimpleNamespace(randbits=source.getrandbits, token_bytes=source.randbytes)
    monkeypatch.setattr(sender, "os_random", fixed)  # the same stego in every run
    method, truth = weights.load("glow2"), shown(photos[0])
    found = [revealed(method, photos[:1], ways(c), step(count=1).noise).middle for c in ("png", "jpeg:80")]
    mild, harsh = (metrics.psnr(truth, shown(f[0])) for f in found)
    draft = drafted(method, [Secret(b"", Picture(truth))], [key_of()], SMALL)
    earnest = metrics.psnr(truth, shown_to(method, draft, key_of()).pixels)
    assert mild > harsh + 3
    assert mild == pytest.approx(earnest, abs=4)


@torch.no_grad()
def test_deviations_are_smaller_the_milder_the_channel(plain, photos):
    deviations = revealed(plain, photos, ways("png", "jpeg:90", "jpeg:40"), step().noise).deviation
    means = deviations.flatten(1).mean(1).tolist()
    assert deviations.shape == photos.shape
    assert deviations.min() >= 0
    assert means == sorted(means)
    assert means[0] < means[2] - 0.1


def test_a_stego_is_drawn_once_and_each_is_another(plain):
    first, again, other = (sent(plain.g2, 0.9, 64, "jpeg:80", n) for n in (0, 0, 1))
    assert first is again
    assert not np.array_equal(first.z, other.z)
    assert first.z.shape == first.arrived.shape == first.r.shape == (3 * 64 * 64,)
    assert 0 < first.r.min() < first.r.max() < 1


def test_all_channels_are_ones_with_a_table():
    assert set(CHANNELS) <= set(layout.CHANNELS)


def test_the_loss_hangs_on_the_step_alone(refined, photos):
    first, again, other = (refiner_loss(refined, photos[:2], step(n, 2))["error"] for n in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_loss_is_the_error_over_that_without_it(monkeypatch, plain, photos):
    fresh = build(g1=SHAPE, g2=SHAPE, refiner=REFINER)
    monkeypatch.setattr(Refiner, "forward", lambda self, g: g.middle)
    assert refiner_loss(fresh, photos[:1], step(count=1))["error"].item() == pytest.approx(1)


def test_a_few_steps_lower_the_loss(photos):
    method = build(g1=SHAPE, g2=SHAPE, refiner=REFINER)
    optimizer = torch.optim.Adam(method.refiner.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = refiner_loss(method, photos[:1], step(count=1))["error"]
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(p.grad is None for n, p in method.networks.named_parameters() if not n.startswith("refiner"))
    assert losses[-1] < 0.95 * losses[0]


def test_validation_repeats_and_starts_with_the_average(monkeypatch, photos):
    monkeypatch.setattr(recipe_refiner, "UNSEEN", 1)
    fresh = build(g1=SHAPE, g2=SHAPE, refiner=REFINER)
    figures = validate(fresh, photos[:1])
    assert figures == validate(fresh, photos[:1])
    assert all(figures[f"refined_{c}"] == figures[f"average_{c}"] for c in ("png", "q90", "q80", "q40"))
    rows = sample(fresh, photos[:1])
    assert rows.shape == (3, 3, 64, 64)
    assert torch.equal(rows[2], photos[0])


# -- how it is measured, and joined


@torch.no_grad()
def test_it_is_measured_beside_itself_switched_off(refined):
    parts = measure.parts(refined, [picture_secret().picture], [parse("png")], LARGE, 0)
    kept = refined.refiner
    figures = parts["refiner"]()
    assert refined.refiner is kept
    assert figures["png"]["with"] != figures["png"]["without"]
    ((_, columns, rows),) = measure.tables({"refiner": figures})
    assert columns == ["attack", "without", "with"]
    assert rows[0][0] == "png"


def test_without_one_it_is_not_measured(plain):
    assert "refiner" not in measure.parts(plain, [], [], LARGE, 0)


def test_it_alone_is_joined_to_weights_that_are_joined(plain, refined, tmp_path, monkeypatch):
    """The file it was trained in holds flows too, and other tables or sides than those of the weights that get it."""
    joined, trained, out = (tmp_path / f"{n}.safetensors" for n in ("joined", "trained", "out"))
    kept = plain.networks.state_dict()
    facts = {"g1": {"part": "g1", "steps": 1}, "g2": {"part": "g2", "steps": 2}}
    joined.write_bytes(weights.pack("glow2", plain.config | {"side": 64}, kept, facts))
    other = {n: t + 1 for n, t in copy.deepcopy(refined.networks.state_dict()).items()}
    trained.write_bytes(weights.pack("glow2", refined.config, other, {"part": "refiner", "steps": 3}))
    monkeypatch.setattr(sys, "argv", ["assemble", "glow2", str(joined), f"{trained}:refiner", "-o", str(out)])
    runpy.run_path(str(ASSEMBLE), run_name="__main__")
    found = weights.read(out)
    assert found.config == plain.config | {"side": 64, "refiner": REFINER}
    assert json.loads(json.dumps(found.training)) == facts | {"refiner": {"part": "refiner", "steps": 3}}
    for name, tensor in found.tensors().items():
        assert torch.equal(tensor, (other if name.startswith("refiner.") else kept)[name])
    assert weights.load("glow2", str(out)).refiner is not None
    monkeypatch.setattr(sys, "argv", ["assemble", "glow2", f"{trained}:udm", "-o", str(out)])
    with pytest.raises(SystemExit, match="holds no udm"):
        runpy.run_path(str(ASSEMBLE), run_name="__main__")


def test_a_part_whose_bands_were_trained_one_by_one_is_taken_out_again(plain, tmp_path, monkeypatch):
    joined, out = tmp_path / "joined.safetensors", tmp_path / "out.safetensors"
    bands = {f"g2/{kind}": {"part": f"g2/{kind}", "steps": 1} for kind in ("y", "c", "base")}
    joined.write_bytes(weights.pack("glow2", plain.config, plain.networks.state_dict(), bands | {"g1": {"part": "g1"}}))
    monkeypatch.setattr(sys, "argv", ["assemble", "glow2", f"{joined}:g2", "-o", str(out)])
    runpy.run_path(str(ASSEMBLE), run_name="__main__")
    found = weights.read(out)
    assert found.config == {"g2": plain.config["g2"]}
    assert json.loads(json.dumps(found.training)) == bands
    assert {n for n in plain.networks.state_dict() if n.startswith("g2.")} == set(found.tensors())
