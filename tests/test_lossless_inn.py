"""lossless-inn: tiling, mending, both coders, the shipped weights from file to file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hiding import hide, reveal, room
from skimage import data as samples

from stegcli import weights
from stegcli.errors import CapacityError, FileError, RevealError
from stegcli.keys import key as keys
from stegcli.method import Request
from stegcli.methods.lossless_inn import costs, mending
from stegcli.methods.lossless_inn.method import build
from stegcli.methods.lossless_inn.net import BlindNet, run_tiled
from stegcli.methods.lossless_inn.network import CERTAIN
from stegcli.methods.lossless_inn.tiles import tiles
from stegcli.nn import tensors
from stegcli.pictures import image, metrics
from stegcli.pictures.image import Picture
from stegcli.slots import DOUBT

GOLDEN = Path(__file__).parent / "golden"
NETWORKS = [e.name for e in weights.entries("lossless-inn") if e.name.startswith("blind-")]

COSETS = [e.name for e in weights.entries("lossless-inn") if e.name.startswith("coset-")]


def crop(height: int, width: int) -> Picture:
    return Picture(np.ascontiguousarray(samples.coffee()[100 : 100 + height, 200 : 200 + width]))


def flat(level: int) -> Picture:
    return Picture(np.full((64, 64, 3), level, np.uint8))


def disturbed(net: BlindNet) -> BlindNet:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=COSETS)
def coset(request):
    return weights.load("lossless-inn", request.param)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return weights.load("lossless-inn", request.param)


# -- network


def test_inverse_with_z_gives_the_message_back():
    net = disturbed(BlindNet(1, blocks=2, growth=4, depth=2, periods=(64,))).double()
    cover = torch.rand(1, 3, 12, 12, dtype=torch.float64) * 255
    message = torch.randint(0, 2, (1, 1, 12, 12)).double() * 2 - 1
    stego, z = net.embed(cover, message)
    assert torch.allclose(net.read(stego, z), 4 * message, atol=1e-6)
    assert not torch.allclose(net.read(stego), 4 * message, atol=1e-2)


def test_fresh_network_changes_nothing_and_z_is_the_message():
    """The paper's mode at its start: infinite PSNR, since the key file carries the message."""
    net = BlindNet(1, blocks=2, growth=4, depth=2)
    cover, message = torch.rand(1, 3, 8, 8) * 255, torch.ones(1, 1, 8, 8)
    stego, z = net.embed(cover, message)
    assert torch.equal(stego, cover)
    assert torch.equal(z, message)


def test_tiles_cover_the_picture_once():
    seen = np.zeros((150, 70), int)
    for tile in tiles(150, 70, reach=9, side=32):
        seen[tile.inner] += 1
        assert tile.outer[0].start <= tile.inner[0].start
        assert tile.outer[0].stop >= tile.inner[0].stop
    assert (seen == 1).all()


def test_tiled_result_is_the_whole_pictures():
    net = disturbed(BlindNet(1, blocks=2, growth=4, depth=2, periods=(8,)))
    levels = torch.randint(0, 256, (1, 3, 70, 90)).float()
    whole = net.read(levels)
    tiled = run_tiled(net.read, (levels,), 1, net.reach, side=32)
    assert torch.allclose(tiled, whole, atol=1e-4)


def test_reach_is_enough_and_no_more_than_stated():
    net = disturbed(BlindNet(1, blocks=1, growth=4, depth=2, periods=(8,)))
    levels = (torch.rand(1, 3, 31, 31) * 255).requires_grad_()
    net.read(levels)[0, 0, 15, 15].backward()
    rows = levels.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows.min() >= 15 - net.reach
    assert rows.max() <= 15 + net.reach


# -- mending


class LinearReader:
    """Reads the sign of red minus green: simple enough to know that every bit can be mended."""

    device = "cpu"

    class net:  # noqa: N801 (stands for an attribute)
        reach = 0

        @staticmethod
        def read(levels):
            return levels[:, :1] - levels[:, 1:2] - 0.5

    def read(self, levels):
        return self.net.read(levels)


def test_mending_rights_wrong_slots_and_leaves_unused_ones():
    rng = torch.Generator().manual_seed(0)
    stego = torch.randint(100, 103, (1, 3, 40, 40), generator=rng).float()
    target = torch.randint(0, 2, (1, 1, 40, 40), generator=rng).float() * 2 - 1
    used = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    used[..., ::3, :20:3] = True
    reader = LinearReader()
    assert (used & (reader.read(stego) * target < mending.MARGIN)).sum() > 20
    mended = mending.mend(reader, stego, target, used)
    assert not (used & (reader.read(mended) * target < mending.MARGIN)).any()
    assert torch.equal(mended[..., 24:], stego[..., 24:])
    assert torch.equal(mended, mended.round())


# -- the coset coder, file to file


def test_coset_restores_every_length(coset, key):
    cover = crop(64, 80)
    most = room(coset, 64, 80)
    for length in (0, 1, 17, most // 2, most - 1, most):
        data = np.random.default_rng(length).bytes(length)
        hidden = hide(data, cover, key, coset)
        assert reveal(image.decode(hidden.file), key, coset) == data
    with pytest.raises(CapacityError) as caught:
        hide(bytes(most + 1), cover, key, coset)
    assert (caught.value.capacity, caught.value.need) == (most, most + 1)


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_coset_fills_flat_covers(coset, key, level):
    """As far as they go: in even ground every change shows, and what is told as capacity leaves it alone."""
    cover = flat(level)
    most = coset.capacity(Request(cover=cover, options=coset.about.hide()))
    assert 0 < most < room(coset, 64, 64)
    data = np.random.default_rng(0).bytes(most)
    hidden = hide(data, cover, key, coset)
    assert reveal(image.decode(hidden.file), key, coset) == data


def test_coset_distortion_follows_the_payload_and_stays_near_the_limit(coset, key):
    """Costs take from PSNR what they give to hiding; a full cover leaves them the least choice."""
    cover = crop(256, 256)
    for bpp, most_below in ((0.1, 4.5), (1.0, 3.0), (2.9, 1.5 if coset.costs == "hill" else 2.5)):
        data = np.random.default_rng(0).bytes(int(bpp * 256 * 256 / 8))
        hidden = hide(data, cover, key, coset)
        psnr = metrics.psnr(cover.pixels, hidden.picture.pixels)
        assert metrics.psnr_limit(bpp) - most_below < psnr < metrics.psnr_limit(bpp) + 0.1


def test_coset_changes_even_and_odd_samples_alike(coset, key):
    """LSB replacement makes even samples larger and odd ones smaller, which estimators of its payload see."""
    cover = crop(256, 256)
    hidden = hide(np.random.default_rng(0).bytes(8000), cover, key, coset)
    change = hidden.picture.pixels.astype(int) - cover.pixels
    ups, downs = (np.array([(change[(cover.pixels & 1) == odd] == sign).sum() for odd in (0, 1)]) for sign in (1, -1))
    upward, chance = ups / (ups + downs), 0.5 / np.sqrt(ups + downs)
    assert abs(upward[0] - upward[1]) < 5 * np.hypot(*chance)
    assert (abs(upward - 0.5) < 0.05).all()
    if coset.config != weights.load("lossless-inn", "coset-3").config:  # its costs were taught, and lean a little
        assert (abs(upward - 0.5) < 5 * chance).all()
    assert (np.abs(change) > 1).mean() < 1e-3


def test_small_and_odd_sizes(coset, key):
    for height, width in ((64, 64), (65, 67), (64, 301)):
        hidden = hide(b"odd", crop(height, width), key, coset)
        assert reveal(image.decode(hidden.file), key, coset) == b"odd"
    with pytest.raises(FileError, match="at least 64x64"):
        hide(b"", crop(63, 64), key, coset)


def test_another_key_or_a_changed_picture_reveals_nothing(coset, key):
    hidden = hide(b"secret", crop(64, 64), key, coset)
    pixels = hidden.picture.pixels.copy()
    pixels[::7, ::5] ^= 1
    for picture, other in (
        (hidden.picture, keys.Key("lossless-inn", "coset-1", bytes(32))),
        (Picture(pixels), key),
        (crop(64, 64), key),
        (Picture(hidden.picture.pixels[:40]), key),
    ):
        with pytest.raises(RevealError, match="nothing revealed"):
            reveal(picture, other, coset)


# -- the shipped networks, file to file


def test_network_restores_small_and_full_payloads(network, key):
    cover = crop(96, 128)
    most = room(network, 96, 128)
    for length in (0, 100, most):
        data = np.random.default_rng(length).bytes(length)
        hidden = hide(data, cover, key, network)
        assert reveal(image.decode(hidden.file), key, network) == data


def test_network_distortion_falls_with_the_payload(network, key):
    cover = crop(128, 128)
    few, many = (
        metrics.psnr(cover.pixels, hide(bytes(n), cover, key, network).picture.pixels)
        for n in (100, room(network, 128, 128) * 8 // 10)
    )
    assert few > many + 3


def test_network_reads_the_same_with_other_tiles_and_threads(network, key):
    cover = crop(128, 160)
    whole = network.log_odds(cover, key)
    assert np.abs(whole).max() == CERTAIN
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = network.log_odds(cover, key)
    torch.set_num_threads(threads)
    levels = tensors.to_levels(cover.pixels)
    tiled = run_tiled(network.net.read, (levels,), network.net.message, network.net.reach, side=64).reshape(-1).numpy()
    tiled = tiled.clip(-CERTAIN, CERTAIN)
    assert np.abs(whole - alone).max() < DOUBT
    assert np.abs(whole - tiled).max() < DOUBT


def test_paper_mode_needs_both_files(network, key):
    cover = crop(96, 96)
    data = b"the key file carries the message"
    hidden = hide(data, cover, key, network, key_out=Path("z.npy"))
    (z,) = hidden.draft.tokens
    stego = image.decode(hidden.file)
    assert reveal(stego, key, network, z) == data
    assert z.size == network.slots(96, 96)
    assert any("not secret" in note for note in hidden.draft.notes)
    with pytest.raises(RevealError):
        reveal(stego, key, network, np.zeros_like(z)[:, :90])


# -- what was hidden by a release stays readable


GOLDEN_NAMES = sorted(
    p.name.removesuffix(".key.npy") for p in GOLDEN.glob("*.key.npy") if keys.load(p).method == "lossless-inn"
)


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_golden_stegos_reveal(name):
    """Written once by `tests/golden/make.py`; if this fails, the format has changed: give it a new name instead."""
    golden_key = keys.load(GOLDEN / f"{name}.key.npy")
    method = weights.load(golden_key.method, golden_key.weights)
    secret = reveal(image.load(GOLDEN / f"{name}.png"), golden_key, method)
    assert secret == (GOLDEN / "secret.txt").read_bytes()


def test_every_revision_has_a_golden_stego():
    assert set(GOLDEN_NAMES) >= {e.name for e in weights.entries("lossless-inn")}


def test_costs_are_low_in_texture_and_high_on_flat_ground():
    levels = np.full((3, 64, 64), 100, np.float32)
    levels[..., 32:] += np.random.default_rng(0).integers(-20, 21, (3, 64, 32))
    rho = costs.hill(levels).reshape(3, 64, 64)
    assert rho.dtype == np.float32
    assert rho.mean() == pytest.approx(1, rel=1e-4)
    assert rho[..., :20].min() > 5 * rho[..., 44:].max()
    assert np.isfinite(rho).all()
    assert rho.min() > 0


def test_changes_gather_in_texture(coset, key):
    pixels = np.full((64, 128, 3), 100, np.uint8)
    pixels[:, 64:] += np.random.default_rng(0).integers(0, 40, (64, 64, 3), np.uint8)
    hidden = hide(bytes(300), Picture(pixels), key, coset)
    changed = (hidden.picture.pixels != pixels).any(axis=2)
    assert changed[:, 64:].sum() > 10 * changed[:, :64].sum()


def test_unknown_coder_is_told():
    with pytest.raises(Exception, match="no coder"):
        build(coder="nonesuch")
