"""glow2's Swin2SR: it starts as bicubic at any size, looks through shifted windows that do not leak, and learns."""

import math

import pytest
import skimage.data
import torch

from stegcli import weights
from stegcli.methods.glow2.method import build
from stegcli.methods.glow2.recipe_sr import SWIN2SR, halve, sr_loss
from stegcli.methods.glow2.rivals.swin2sr import (
    PLACES,
    SHIFT,
    WINDOW,
    Block,
    Swin2SR,
    WindowAttention,
    from_windows,
    shift_mask,
    to_windows,
)
from stegcli.methods.glow2.sr import Upscaler, bicubic, build_upscaler
from stegcli.nn.tensors import to_tensor
from stegcli.recipe import Noise, Step

WIDTH, HEADS = 8, 2
SIDE = 2 * WINDOW


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def tiny():
    return Swin2SR(groups=1, blocks=2, width=WIDTH, heads=HEADS)


def stirred(module):
    """Off the zeros that some layers start from."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return module


# -- windows


def test_windows_are_in_reading_order_and_go_back():
    x = torch.arange(2 * SIDE * 24.0).view(2, SIDE, 24, 1)
    windows = to_windows(x)
    assert windows.shape == (2, 6, PLACES, 1)
    assert torch.equal(windows[1, 4].view(WINDOW, WINDOW), x[1, 8:16, 8:16, 0])
    assert torch.equal(from_windows(windows, SIDE, 24), x)


def test_mask_parts_only_what_the_roll_joined():
    mask = shift_mask(SIDE, 24)
    assert mask.shape == (6, 1, PLACES, PLACES)
    assert set(mask.unique().tolist()) == {-math.inf, 0}
    assert (mask[0] == 0).all()
    assert (mask[2] == 0).float().mean() == 1 / 2  # at the right: two halves
    assert (mask[5] == 0).float().mean() == 1 / 4  # in the corner: four quarters


def reached(block, mask, row, column):
    """Which places of the output change with one place of the input, bool (SIDE, SIDE)."""
    x = torch.randn(1, SIDE, SIDE, WIDTH)
    other = x.clone()
    other[0, row, column] += 1
    with torch.no_grad():
        return (block(x, mask) != block(other, mask)).any(3)[0]


def rectangle(top, left, bottom, right):
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    expected[top:bottom, left:right] = True
    return expected


@pytest.mark.parametrize(
    ("place", "plain", "shifted"),
    [
        ((0, 0), (0, 0, 8, 8), (0, 0, 4, 4)),  # nor the opposite corner, with which the roll brings it together
        ((15, 0), (8, 0, 16, 8), (12, 0, 16, 4)),
        ((3, 9), (0, 8, 8, 16), (0, 4, 4, 12)),
        ((8, 7), (8, 0, 16, 8), (4, 4, 12, 12)),  # across the border of two unshifted windows
    ],
)
def test_a_place_reaches_its_window_and_no_further(place, plain, shifted):
    block = stirred(Block(WIDTH, HEADS))
    assert torch.equal(reached(block, None, *place), rectangle(*plain))
    assert torch.equal(reached(block, shift_mask(SIDE, SIDE), *place), rectangle(*shifted))


def test_without_its_mask_the_roll_would_leak():
    open_mask = torch.zeros_like(shift_mask(SIDE, SIDE))
    leaks = reached(stirred(Block(WIDTH, HEADS)), open_mask, 0, 0)
    assert leaks[-SHIFT:, -SHIFT:].all()


# -- attention


def test_position_bias_depends_on_the_offset_alone():
    bias = WindowAttention(WIDTH, HEADS).bias().detach()
    assert bias.shape == (HEADS, PLACES, PLACES)
    whole = bias.view(HEADS, WINDOW, WINDOW, WINDOW, WINDOW)
    assert torch.equal(whole[:, 0, 0, 2, 3], whole[:, 5, 1, 7, 4])
    assert len(bias[0].unique()) > 200


def test_attention_sees_directions_not_lengths():
    attention = WindowAttention(WIDTH, HEADS)
    with torch.no_grad():
        attention.join.bias.zero_()
        x = torch.randn(1, 1, PLACES, WIDTH)
        assert torch.allclose(attention(5 * x), 5 * attention(x), atol=1e-5)


@torch.no_grad()
def test_the_factor_is_at_most_100():
    attention = WindowAttention(WIDTH, HEADS)
    x = torch.randn(1, 1, PLACES, WIDTH)

    def with_factor(logarithm):
        attention.log_factor.fill_(logarithm)
        return attention(x)

    most = with_factor(math.log(100))
    assert torch.allclose(with_factor(50.0), most)
    assert not torch.allclose(with_factor(4.0), most)


# -- the network


def test_a_block_starts_as_the_identity():
    x = torch.randn(1, SIDE, SIDE, WIDTH)
    assert torch.equal(Block(WIDTH, HEADS)(x), x)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 8), (1, 1), (13, 18)])
@torch.no_grad()
def test_it_starts_as_bicubic_at_any_size(height, width):
    x = torch.rand(2, 3, height, width)
    made = tiny()(x)
    assert made.shape == (2, 3, 2 * height, 2 * width)
    assert torch.equal(made, bicubic(x))
    assert not torch.equal(stirred(tiny())(x), bicubic(x))


@torch.no_grad()
def test_filling_repeats_the_border():
    network = stirred(tiny())
    x = torch.rand(1, 3, 6, 7)
    filled = torch.nn.functional.pad(x, (0, 1, 0, 2), mode="replicate")
    added = network(filled) - bicubic(filled)
    assert torch.allclose(network(x) - bicubic(x), added[..., :12, :14], atol=1e-6)


def test_every_parameter_gets_a_gradient():
    network = stirred(tiny())
    network(torch.rand(1, 3, SIDE, SIDE)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_default_size_is_the_recipes():
    parameters = sum(p.numel() for p in Swin2SR().parameters())
    assert parameters == sum(p.numel() for p in build_upscaler(SWIN2SR.config["sr"]).parameters())
    assert 400_000 < parameters < 500_000


def test_training_beats_bicubic():
    whole = to_tensor(skimage.data.astronaut())
    photos = torch.cat([whole[..., r : r + 32, 208:240] for r in (80, 112)])
    method = build(sr={"kind": "swin2sr", "groups": 1, "blocks": 2, "width": WIDTH, "heads": HEADS})
    optimizer = torch.optim.Adam(method.networks.parameters(), lr=4e-3)
    for step in range(60):
        optimizer.zero_grad()
        sr_loss(method, photos, Step(Noise.of(0, step, range(2)), 0.0))["l1"].backward()
        optimizer.step()
    with torch.no_grad():
        small = halve(photos)
        errors = [(made - photos).square().mean() for made in (method.sr(small), bicubic(small))]
    assert errors[0] < 0.97 * errors[1]


# -- which network


def test_the_configuration_says_which_network():
    assert type(build_upscaler({"blocks": 1, "width": 4})) is Upscaler
    assert type(build_upscaler({"kind": "edsr", "blocks": 1})) is Upscaler
    config = {"kind": "swin2sr", "groups": 1, "width": WIDTH, "heads": HEADS}
    method = build(sr=config)
    assert type(method.sr) is Swin2SR
    assert method.config["sr"] == config
    with pytest.raises(ValueError, match="no upscaler 'srcnn'"):
        build_upscaler({"kind": "srcnn"})


def test_shipped_weights_hold_edsr():
    upscaler = weights.load("glow2").sr
    assert type(upscaler) is Upscaler
    x = torch.rand(1, 3, 8, 8)
    assert not torch.equal(upscaler(x), bicubic(x))
