"""Every carrier through its channel: exact, for its key alone, in shares, and as good a stego as it says."""

from __future__ import annotations

import numpy as np
import pytest
from riis_helpers import KEY, OTHER, compressed, noised, payload, photo, recoded

from stegcli.errors import CapacityError, RevealError
from stegcli.methods.riis import choice, method, noisy
from stegcli.methods.riis.carrier import Carrier, Seen
from stegcli.methods.riis.digits import Digits
from stegcli.methods.riis.envelope import Letter
from stegcli.methods.riis.known import Known
from stegcli.methods.riis.noisy import Noisy
from stegcli.methods.riis.order import Share, all_shares
from stegcli.methods.riis.spread import Spread
from stegcli.methods.riis.tiles import Tiles
from stegcli.methods.riis.wide import Wide
from stegcli.pictures import channel, metrics

PSNR = {"known": 42, "wide": 40, "digits": 46, "noisy": 42, "spread": 36}
CARRIERS: dict[str, Carrier] = {
    "known": Known(75, (75,)),
    "wide": Wide(75),
    "digits": Digits(),
    "noisy": Noisy(1.0),
    "spread": Spread(10.0),
}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver tries every step of the lattice in the samples, which takes long."""
    monkeypatch.setattr(noisy, "STEPS", noisy.STEPS[5::7])


def arrived(name: str, stego: np.ndarray) -> Seen:
    ways = {"known": lambda: compressed(stego, 75), "wide": lambda: compressed(stego, 84),
            "digits": lambda: Seen(stego), "noisy": lambda: noised(stego, 1.0),
            "spread": lambda: noised(stego, 10.0)}  # fmt: skip
    return ways[name]()


@pytest.mark.parametrize("name", CARRIERS)
def test_what_it_has_room_for_comes_through(name: str) -> None:
    carrier, cover = CARRIERS[name], photo(192 if name == "spread" else 128)
    room = carrier.room(cover, 1, PSNR[name])
    data = payload(min(room, 400))
    assert room >= 40
    stego = carrier.hide(cover, [Letter(data, KEY)], PSNR[name])
    assert stego.shape == cover.shape
    assert metrics.psnr(cover, stego) > PSNR[name] - 0.5
    seen = arrived(name, stego)
    assert carrier.reveal(seen, KEY, Share()) == data
    with pytest.raises(RevealError):
        carrier.reveal(seen, OTHER, Share())
    with pytest.raises(RevealError):
        carrier.reveal(arrived(name, cover), KEY, Share())


@pytest.mark.parametrize("name", CARRIERS)
def test_receivers_have_shares_of_their_own(name: str) -> None:
    carrier, cover = CARRIERS[name], photo(256 if name == "spread" else 192)
    letters = [Letter(payload(20, 1), KEY), Letter(payload(25, 2), OTHER)]
    seen = arrived(name, carrier.hide(cover, letters, PSNR[name]))
    assert carrier.reveal(seen, KEY, Share(0, 2)) == letters[0].data
    assert carrier.reveal(seen, OTHER, Share(1, 2)) == letters[1].data
    with pytest.raises(RevealError):
        carrier.reveal(seen, KEY, Share(1, 2))


@pytest.mark.parametrize("name", CARRIERS)
def test_too_much_is_refused(name: str) -> None:
    with pytest.raises(CapacityError):
        CARRIERS[name].hide(photo(64), [Letter(payload(60_000), KEY)])


@pytest.mark.parametrize("name", ["known", "wide", "digits"])
def test_sides_that_are_no_multiples_of_8(name: str) -> None:
    carrier, cover = CARRIERS[name], photo(160)[:117, :150]
    stego = carrier.hide(cover, [Letter(payload(20), KEY)], PSNR[name])
    assert carrier.reveal(arrived(name, stego), KEY, Share()) == payload(20)


@pytest.mark.parametrize("name", ["known", "wide"])
def test_a_grey_cover_gets_no_colour(name: str) -> None:
    cover = np.repeat(photo(128)[..., 1:2], 3, axis=2)
    stego = CARRIERS[name].hide(cover, [Letter(payload(20), KEY)], PSNR[name])
    assert (stego == stego[..., :1]).all()
    assert CARRIERS[name].reveal(arrived(name, stego), KEY, Share()) == payload(20)


def test_a_known_quality_stands_what_else_happens() -> None:
    carrier, cover = Known(75, (75,)), photo(128)
    data = payload(carrier.room(cover, 1))
    stego = carrier.hide(cover, [Letter(data, KEY)])
    first = recoded(stego, 75)
    for seen in (
        Seen(stego),  # the PNG that has not met its JPEG yet
        Seen(first),  # a PNG made of the JPEG
        compressed(first, 75),
        compressed(stego, 75, subsampling=0),
        compressed(first, 76),
    ):
        assert carrier.reveal(seen, KEY, Share()) == data


def test_white_areas_carry_nothing_and_stop_nothing() -> None:
    cover = photo(128).copy()
    cover[:, 64:] = 255
    carrier = Known(75, (75,))
    room = carrier.room(cover, 1)
    assert 0 < room < carrier.room(photo(128), 1)
    stego = carrier.hide(cover, [Letter(payload(room // 2), KEY)])
    assert carrier.reveal(compressed(stego, 75), KEY, Share()) == payload(room // 2)
    assert (stego[:, 64:] == 255).all()


@pytest.mark.parametrize("value", [0, 255])
def test_a_black_or_white_cover_has_no_room(value: int) -> None:
    cover = np.full((256, 256, 3), value, np.uint8)
    for name in ("jpeg:75", "jpeg:75..95", "jpeg:40..95", "noise:1", "noise:10", "crop"):
        for carrier in choice.for_sender(channel.parse_survive(name)):
            assert carrier.room(cover, 1) <= 0, name


def test_a_range_is_read_at_each_of_its_qualities() -> None:
    carrier, cover = Wide(75), photo(128)
    data = payload(carrier.room(cover, 1, 40))
    stego = carrier.hide(cover, [Letter(data, KEY)], 40)
    for quality in (75, 79, 88, 95):
        assert carrier.reveal(compressed(stego, quality), KEY, Share()) == data
    assert carrier.reveal(Seen(recoded(stego, 85)), KEY, Share()) == data  # its tables are lost


@pytest.mark.parametrize(("top", "left", "quality"), [(0, 0, 75), (3, 5, 75), (17, 8, 75), (7, 1, 85)])
def test_tiles_survive_crops(top: int, left: int, quality: int) -> None:
    carrier, cover, data = Tiles(), photo(256), payload(64)
    assert carrier.room(cover, 1) >= 64
    for _ in range(3):  # each draft has a nonce of its own
        stego = carrier.hide(cover, [Letter(data, KEY)])
        cut = np.ascontiguousarray(stego[top : 256 - 6, left : 256 - 3])
        assert carrier.reveal(compressed(cut, quality), KEY, Share()) == data


def test_tiles_give_nothing_to_another_key_nor_out_of_the_cover() -> None:
    stego = Tiles().hide(photo(128), [Letter(payload(10), KEY)])
    for seen, key in ((Seen(stego), OTHER), (Seen(photo(128)), KEY)):
        with pytest.raises(RevealError):
            Tiles().reveal(seen, key, Share())


def test_digits_are_as_near_as_their_base_allows_and_stay_in_range() -> None:
    cover = np.random.default_rng(0).choice(np.array([0, 1, 254, 255], np.uint8), (64, 64, 3))
    data = payload(Digits().room(cover, 1, 42))
    stego = Digits().hide(cover, [Letter(data, KEY)], 42)
    assert Digits().reveal(Seen(stego), KEY, Share()) == data
    assert np.abs(stego.astype(int) - cover).max() <= 8  # the base, where a sample has no room on the nearer side


def test_less_quality_is_more_room() -> None:
    cover = photo(128)
    for carrier in (Known(75, (75,)), Digits(), Spread(5.0)):
        assert carrier.room(cover, 1, 38) > carrier.room(cover, 1, 44)


def described(carrier: Carrier) -> tuple[type, int | None]:
    return type(carrier), getattr(carrier, "quality", getattr(carrier, "lowest", None))


@pytest.mark.parametrize(
    "survive",
    [
        "png",
        "jpeg:75..95",
        "jpeg:33..95",
        "noise:1",
        "noise:6",
        "noise:20",
        "crop",
        *map("jpeg:{}".format, range(30, 99, 4)),
    ],
)
def test_a_receiver_without_word_of_the_channel_tries_what_the_sender_chose(survive: str) -> None:
    """The sender reads its stego by `--distortion`, so this must hold for every file in which a stego arrives."""
    channels = channel.parse_survive(survive)
    arrived = [Seen(photo(64))]
    arrived += [compressed(photo(64), round(one.strength)) for one in channels if one.kind == "jpeg"]
    arrived += [compressed(photo(64), 75)] if survive == "crop" else []
    for sent in choice.for_sender(channels):
        for seen in arrived:
            assert described(sent) in {described(c) for tier in choice.for_receiver(seen) for c in tier}


def test_a_receiver_tries_every_share_with_every_carrier() -> None:
    likely, others = choice.for_receiver(Seen(photo(64)))
    tried = [(c, s) for carriers, shares in method._stages(likely, others) for c in carriers for s in shares]
    assert len(set(tried)) == len(tried) == len(likely + others) * len(all_shares())
