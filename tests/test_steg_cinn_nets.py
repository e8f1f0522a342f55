import numpy as np
import pytest
import torch
from steg_cinn_helpers import small_method, small_photo

from stegcli.methods.steg_cinn import coarse, space
from stegcli.methods.steg_cinn.groups import groups
from stegcli.methods.steg_cinn.nets import LevelNet, Scene, Window, statistics, whole_picture

TOLERANCE = 1e-4


def scene_of(pixels, level, grain=0.0):
    grey, colours = space.split(pixels)
    light, planes = torch.from_numpy(grey[None, None]).float(), torch.from_numpy(colours[None]).float()
    told = torch.full((1,), grain)
    return Scene(planes, light, statistics(light), whole_picture(planes, level), told)


@pytest.mark.parametrize("split", [(), (1, 2)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_group_sees_nothing_that_comes_after_it(split, level):
    """Changed colours of a group, and of all after it, change nothing of what the group may be."""
    net = small_method(split).networks["fine"].level(level)
    scene = scene_of(small_photo(48, 56), level)
    step = 2 ** (level - 1)
    for group in net.groups:
        rows, columns = group.shape(48, 56)
        window = Window(0, rows, 0, columns)
        before, _ = net.phase(group).features(scene, group, window)
        changed = scene.colours.clone()
        known = torch.zeros(48, 56, dtype=torch.bool)
        known[:: 2 * step, :: 2 * step] = True
        for earlier in groups(level, bool(level in split)):
            if earlier.index < group.index:
                known[earlier.places()] = True
        changed[:, :, ~known] += 17
        other = Scene(changed, scene.grey, scene.statistics, scene.whole, scene.grain)
        after, _ = net.phase(group).features(other, group, window)
        assert torch.equal(before, after)


def test_p_is_told_q_and_stays_in_the_gamut():
    net = small_method().networks["fine"].level(1)
    scene = scene_of(small_photo(), 1)
    group = net.groups[0]
    window = Window(0, 32, 0, 32)
    h, seen = net.phase(group).features(scene, group, window)
    q = scene.colours[:, :1, 1::2, 1::2]
    one = net.phase(group).mixture_p(h, seen, q)
    other = net.phase(group).mixture_p(h, seen, (q + 9).clamp(-200, 200))
    assert not torch.allclose(one.means, other.means)
    assert (one.low <= one.high).all()
    table, base = space.gamut(), seen.base[:, 1:].round()
    grey = seen.own[0, 0].numpy().astype(int)
    assert np.array_equal((one.low + base)[0, 0].numpy(), table.p_low[grey, q[0, 0].numpy().astype(int) + 255])


def test_grain_is_heard():
    net = small_method().networks["fine"].level(2)
    nats = [net.nats(scene_of(small_photo(), 2, grain), net.groups[0]).mean().item() for grain in (0.0, 1.0)]
    assert nats[0] != nats[1]


def test_likelihood_of_a_window_is_that_of_the_whole_there():
    net = small_method((1, 2)).networks["fine"].level(1)
    scene = scene_of(small_photo(64, 64), 1)
    group = net.groups[5]
    whole = net.nats(scene, group)
    part = net.nats(scene, group, Window(3, 9, 2, 14))
    assert torch.allclose(part, whole[..., 3:9, 2:14], atol=TOLERANCE)


def test_what_is_told_of_the_whole_picture_comes_from_what_is_known():
    colours = torch.zeros(1, 2, 32, 32)
    colours[:, :, 1::2] = 50  # not on the grid of level 1
    assert torch.equal(whole_picture(colours, 1), whole_picture(torch.zeros(1, 2, 32, 32), 1))
    assert whole_picture(torch.zeros(1, 2, 1, 1), 1).shape == (1, 4, 1, 1)


def test_the_top_level_leaves_one_pixel():
    for height, width in ((64, 64), (128, 128), (512, 768), (77, 101), (3000, 4000)):
        top = coarse.top_level(height, width)
        assert len(range(0, height, 2**top)) * len(range(0, width, 2**top)) == 1
        assert max(height, width) > 2 ** (top - 1)


@pytest.mark.parametrize("size", [(64, 64), (77, 101), (200, 300), (65, 513)])
def test_context_reaches_every_group(size):
    net = small_method().networks["coarse"]
    grey = torch.rand(1, 1, *size) * 255
    context = net.context(grey)
    for level in range(4, coarse.top_level(*size) + 1):
        for group in groups(level, False):
            found = context.at(group, *size)
            assert found.shape == (1, 4, *group.shape(*size))
            assert torch.isfinite(found).all()
    assert context.base().shape == (1, 4, 1, 1)


def test_a_large_picture_is_seen_as_a_small_copy():
    """Twice as large, the same picture tells the U-Net the same."""
    net = small_method().networks["coarse"]
    small = torch.rand(1, 1, 128, 128) * 255
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    one, two = net.context(small), net.context(large)
    assert (one.shift, two.shift) == (0, 1)
    assert [
        (a - b).abs().max().item() / a.abs().max().item() for a, b in zip(one.maps, two.maps, strict=True)
    ] == pytest.approx([0] * 4, abs=1e-4)


def test_every_parameter_of_a_level_gets_a_gradient():
    net = LevelNet(1, True, 4)
    scene = scene_of(small_photo(32, 32), 1, 0.5)
    torch.nn.init.normal_(net.phases[0].q.weight, 0, 0.1)
    torch.stack([net.nats(scene, g).mean() for g in net.groups]).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
