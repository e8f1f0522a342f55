"""cs-fnns as a whole: what comes back, who reads what, and which wishes it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flow_helpers import settled, with_tensors
from skimage import data as samples

from stegcli import api
from stegcli.errors import CapacityError, FileError, RevealError, UnsafeNumberError, UsageError, WeightsError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.cs_fnns import measure, sought
from stegcli.methods.cs_fnns import method as cs_fnns
from stegcli.methods.cs_fnns.cover import Ground
from stegcli.methods.cs_fnns.method import CsFnns, build
from stegcli.methods.cs_fnns.options import HideOptions, RevealOptions
from stegcli.nn import tensors
from stegcli.options import ROBUST
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture

KEY = Key("cs-fnns", "x", bytes(range(32)))
SMALL = (128, 128)
QUICK = {"size": SMALL, "steps": 60}


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def method() -> CsFnns:
    """Covers of a flow that never learnt anything: what is hidden in them does not mind."""
    made = build(g2={"widths": [4, 4, 4], "steps": [1, 1, 1]}, detector={"width": 4})
    settled(made.g2, 0.05)
    made.networks.eval().requires_grad_(False)
    return made


def hidden(secrets, keys, method, survive="png", **options) -> api.Hidden:
    channels = parse_survive(survive)
    return api.hide(Request(tuple(secrets), tuple(keys), survive=channels, options=HideOptions(**options)), method)


def revealed(stego, key, method, **options):
    (found,) = api.reveal(stego, method, Asked(key, options=RevealOptions(**options)))
    return found


@pytest.fixture(scope="module")
def photo() -> Secret:
    return Secret(b"", Picture(image.resized(samples.coffee(), 64, 64)))


@pytest.fixture(scope="module")
def stego(method, photo) -> api.Hidden:
    return hidden([photo], [KEY], method, **QUICK)


def test_a_picture_comes_back_from_the_file(method, photo, stego):
    back = revealed(image.decode(stego.file), KEY, method).picture
    assert back.pixels.shape == photo.picture.pixels.shape
    assert metrics.psnr(photo.picture.pixels, back.pixels) > 28


def test_the_stego_keeps_to_its_cover(stego):
    assert stego.cover_psnr >= 46.0


def test_a_fresh_process_draws_the_same(photo, stego, method):
    """Nothing of the sender's memory is needed: another instance, no covers kept."""
    again = with_tensors(build(**method.config), method.networks.state_dict())
    back = revealed(image.decode(stego.file), KEY, again).picture
    assert metrics.psnr(photo.picture.pixels, back.pixels) > 28


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 3])
def test_bytes_come_back_exactly(method, data):
    made = hidden([Secret(data)], [KEY], method, travel="bytes", **QUICK)
    assert revealed(image.decode(made.file), KEY, method).data == data
    assert made.draft.forms == ("bytes",)


def test_a_full_payload_comes_back_exactly(method):
    room = method.capacity(Request(options=HideOptions(size=SMALL)))
    data = np.random.default_rng(0).bytes(room)
    made = hidden([Secret(data)], [KEY], method, size=SMALL, travel="bytes")
    assert revealed(made.picture, KEY, method).data == data
    with pytest.raises(CapacityError):
        hidden([Secret(data + b"x")], [KEY], method, size=SMALL, travel="bytes")


def test_the_stego_tells_its_number(method, photo):
    made = hidden([photo], [KEY], method, number=70, **QUICK)
    assert revealed(made.picture, KEY, method).notes == ()
    assert made.draft.number == 70
    assert revealed(made.picture, KEY, method, number=70).picture is not None
    with pytest.raises(RevealError):
        revealed(made.picture, KEY, method, number=71)


def test_a_cover_that_does_not_tell_its_number_is_used_all_the_same(method, photo, monkeypatch):
    """To take another cover instead would leave a mark: smooth ones would be missing."""
    monkeypatch.setattr(type(method._textures), "numbers", lambda self, pixels, key: (1,))
    made = hidden([photo], [KEY], method, number=70, **QUICK)
    assert made.draft.notes == ("the receiver must be told --number 70",)
    with pytest.raises(RevealError):
        revealed(made.picture, KEY, method)
    assert revealed(made.picture, KEY, method, number=70).picture is not None


def test_copies_of_a_key_never_draw_one_cover(method, photo):
    """Nothing but chance chooses the number, so no record of used numbers is needed."""
    made = [hidden([photo], [replace(KEY)], method, **QUICK) for _ in range(2)]
    assert made[0].draft.number != made[1].draft.number
    assert (made[0].draft.cover.pixels == made[1].draft.cover.pixels).mean() < 0.2


def test_an_unsafe_cover_is_passed_over_unless_its_number_was_asked_for(method, photo, monkeypatch):
    safe = Ground.cover
    unsafe = iter([True, True, False])
    monkeypatch.setattr(
        Ground, "cover", lambda self, grain: replace(safe(self, grain), margin=0.0 if next(unsafe, False) else 1.0)
    )
    assert hidden([photo], [KEY], method, **QUICK).picture is not None
    assert next(unsafe, None) is None
    monkeypatch.setattr(Ground, "cover", lambda self, grain: replace(safe(self, grain), margin=0.0))
    with pytest.raises(UnsafeNumberError, match="number 5 "):
        hidden([photo], [KEY], method, number=5, **QUICK)


@pytest.mark.parametrize("stranger", [replace(KEY, secret=bytes(32)), keys.beside(KEY)])
def test_other_keys_read_nothing(method, stego, stranger):
    with pytest.raises(RevealError):
        revealed(stego.picture, stranger, method)


def test_strangers_who_know_cover_and_descriptor_see_no_outline(method, photo, stego):
    """What other keys' decoders emit does not correlate with the secret, nor is it busy where the secret is.

    A picture this small has 64 blocks: a single correlation may be 0.1 by chance, so that of many is looked at.
    """
    found, truth = method.opened(stego.picture, KEY, RevealOptions()), photo.picture.pixels
    alike, busy = [], []
    for seed in range(1, 25):
        stranger = replace(KEY, secret=bytes([seed]) * 32)
        back = tensors.to_pixels(sought.decoded(found.told, found.perturbation, stranger, found.number).clamp(0, 1))
        alike.append(measure._correlation(back, truth))
        busy.append(measure._correlation(measure._activity(back), measure._activity(truth)))
    own = tensors.to_pixels(sought.decoded(found.told, found.perturbation, KEY, found.number).clamp(0, 1))
    assert measure._correlation(own, truth) > 0.99
    assert abs(np.mean(alike)) < 0.05
    assert abs(np.mean(busy)) < 0.1


def test_receivers_read_their_own(method, photo):
    other = Secret(b"", Picture(image.resized(samples.chelsea(), 64, 64)))
    held = [KEY, keys.beside(KEY)]
    made = hidden([photo, other], held, method, size=SMALL)
    for key, secret, stranger in zip(held, (photo, other), (other, photo), strict=True):
        back = revealed(made.picture, key, method).picture.pixels
        assert metrics.psnr(secret.picture.pixels, back) > 28
        assert metrics.psnr(stranger.picture.pixels, back) < 15


def test_a_file_and_a_picture_for_two_receivers(method, photo):
    held = [KEY, keys.beside(KEY)]
    made = hidden([photo, Secret(b"for the other")], held, method, size=SMALL)
    assert revealed(made.picture, held[1], method).data == b"for the other"


def test_keys_that_draw_different_covers_are_refused(method, photo):
    with pytest.raises(UsageError, match="different covers"):
        hidden([photo, photo], [KEY, replace(KEY, secret=bytes(32))], method, **QUICK)


@pytest.mark.parametrize("change", [
    lambda p: p[:64, :64], lambda p: np.ascontiguousarray(p[::-1]), lambda p: image.resized(p, 128, 64),
    lambda p: image.resized(p, 100, 90),
])  # fmt: skip
def test_changed_stegos_reveal_nothing(method, stego, change):
    with pytest.raises(RevealError):
        revealed(Picture(change(stego.picture.pixels)), KEY, method)


def test_an_innocent_picture_reveals_nothing(method):
    with pytest.raises(RevealError):
        revealed(Picture(image.resized(samples.astronaut(), 128, 128)), KEY, method)


def test_another_generator_is_noticed(method, stego):
    """The right key over a cover that differs a little: it says so, and does not give a wrong picture."""
    other = with_tensors(build(**method.config), method.networks.state_dict())
    with torch.no_grad():
        other.g2.flows["y1"].chain.flows[0].shift.add_(5e-5)
    with pytest.raises(RevealError) as caught:
        revealed(stego.picture, KEY, other)
    assert "not the sender's" in str(caught.value.hint)


def test_jpeg_is_survived_if_asked_for(method):
    small = Secret(b"", Picture(image.resized(samples.coffee(), 32, 32)))
    made = hidden([small], [KEY], method, survive="jpeg:85", size=SMALL, steps=60)
    arrived = image.decode(image.encode(made.picture, "JPEG", 85))
    back = revealed(arrived, KEY, method).picture.pixels
    assert metrics.psnr(small.picture.pixels, back) > 20


def test_aspect_and_size_come_back(method):
    wide = Secret(b"", Picture(image.resized(samples.coffee(), 90, 30)))
    made = hidden([wide], [KEY], method, **QUICK)
    assert revealed(made.picture, KEY, method).picture.pixels.shape == (30, 90, 3)


def test_a_larger_secret_is_fitted(method):
    large = Secret(b"", Picture(image.resized(samples.coffee(), 600, 300)))
    made = hidden([large], [KEY], method, **QUICK)
    height, width, _ = revealed(made.picture, KEY, method).picture.pixels.shape
    assert width == pytest.approx(2 * height, abs=1)
    assert height * width == pytest.approx(64 * 64, rel=0.05)


@pytest.mark.parametrize("pixels", [np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8),
                                    np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
                                    np.full((1, 1, 3), 90, np.uint8)])  # fmt: skip
def test_saturated_tiny_and_noise_like_secrets(method, pixels):
    made = hidden([Secret(b"", Picture(pixels))], [KEY], method, size=SMALL)
    assert made.psnrs[0] > 20


def test_the_size_follows_the_secret():
    def size_of(side, robust=False):
        return cs_fnns._usual_size([Secret(b"", Picture(np.zeros((side, 8, 3), np.uint8)))], robust)

    assert [size_of(s) for s in (64, 128, 129, 4000)] == [(256, 256), (256, 256), (512, 512), (512, 512)]
    assert size_of(65, robust=True) == (512, 512)


@pytest.mark.parametrize("asked", [
    {"size": (100, 128)}, {"size": (1088, 1024)}, {"travel": "cascade"}, {"decoder": "other"},
    {"generator": "faces"}, {"decoder": "paper", "psnr": 42.0}, {"survive": ROBUST, "grain": 3.0},
])  # fmt: skip
def test_wishes_that_cannot_be(method, photo, asked):
    with pytest.raises(UsageError):
        hidden([photo], [KEY], method, **(QUICK | asked))


def test_a_file_that_is_no_picture_cannot_go_as_one(method):
    with pytest.raises(FileError):
        hidden([Secret(b"text")], [KEY], method, travel="picture", **QUICK)


def test_without_a_generator(photo):
    with pytest.raises(WeightsError):
        hidden([photo], [KEY], build(), **QUICK)


def test_evading_needs_a_detector(method, photo):
    g2 = {n: t for n, t in method.networks.state_dict().items() if n.startswith("g2.")}
    bare = with_tensors(build(g2=method.config["g2"]), g2)
    with pytest.raises(WeightsError):
        hidden([photo], [KEY], bare, evade=True, **QUICK)


def test_the_papers_setting(method, photo):
    made = hidden([photo], [KEY], method, size=(64, 64), decoder="paper", steps=200, travel="picture")
    assert made.draft.forms == ("picture, the paper's decoder",)
    assert revealed(made.picture, KEY, method).picture.pixels.shape == (32, 32, 3)


@pytest.mark.cuda
def test_a_receiver_on_cuda_gets_the_same(method, photo, stego):
    """Decoders and covers are the CPU's whatever the device."""
    moved = with_tensors(build(**method.config), method.networks.state_dict())
    moved.device = "cuda"
    back = revealed(stego.picture, KEY, moved).picture.pixels
    here = revealed(stego.picture, KEY, method).picture.pixels
    assert metrics.psnr(here, back) > 60
