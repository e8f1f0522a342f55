import pytest
import torch

from stegcli.methods.steg_cinn import groups
from stegcli.methods.steg_cinn.groups import AROUND, NEAR


def coordinates(group, height, width):
    y, x = group.places()
    return {(i, j) for i in range(height)[y] for j in range(width)[x]}


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (77, 101), (33, 70)])
def test_levels_cover_every_pixel_once(split, size):
    known = {(i, j) for i in range(0, size[0], 8) for j in range(0, size[1], 8)}
    for level in (3, 2, 1):
        for group in groups.groups(level, split):
            places = coordinates(group, *size)
            assert len(places) == group.shape(*size)[0] * group.shape(*size)[1]
            assert not places & known
            known |= places
    assert len(known) == size[0] * size[1]


@pytest.mark.parametrize(
    ("split", "size"),
    [(s, z) for s in (False, True) for z in ((64, 64), (77, 101), (9, 64))]
    + [(False, z) for z in ((1, 5), (2, 2), (3, 1))],
)
def test_neighbours_are_known_before_the_group_at_borders_too(split, size):
    """Sizes are those of the level's grid: level 1."""
    known = {(i, j) for i in range(0, size[0], 2) for j in range(0, size[1], 2)}
    for group in groups.groups(1, split):
        places = coordinates(group, *size)
        for dy, dx in groups.present(group, *size):
            y = groups.clamp(torch.tensor([p[0] + dy for p in sorted(places)]), size[0], group.period)
            x = groups.clamp(torch.tensor([p[1] + dx for p in sorted(places)]), size[1], group.period)
            assert set(zip(y.tolist(), x.tolist(), strict=True)) <= known
        known |= places


def test_the_nearest_come_first_and_are_around_the_place():
    for split in (False, True):
        for group in groups.groups(2, split):
            offsets = groups.neighbours(group)
            assert len(offsets) >= groups.ENOUGH
            far = [y * y + x * x for y, x in offsets]
            assert far == sorted(far)
            assert sum(y for y, _ in offsets[:NEAR]) == sum(x for _, x in offsets[:NEAR]) == 0
            assert any(o in AROUND for o in offsets)


def test_a_split_phase_sees_its_own_kind():
    last = list(groups.groups(1, True))[3]
    assert last.phase == 0
    assert any((y % 4, x % 4) in ((0, 2), (2, 0), (2, 2)) for y, x in groups.neighbours(last))


def test_clamp_keeps_the_parity_and_repeats_the_border_without_one():
    index = torch.arange(-5, 15)
    clamped = groups.clamp(index, 9, 2)
    assert (clamped % 2 == index % 2).all()
    assert clamped.min() >= 0
    assert clamped.max() <= 8
    assert torch.equal(clamped[5:14], index[5:14])
    assert groups.clamp(index, 9, 1).tolist() == [0] * 5 + list(range(9)) + [8] * 6
