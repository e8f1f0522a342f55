"""glow2's rule for draws: what would carry messages is accepted, by the picture alone, with a message or without."""

import numpy as np
import pytest
import torch
from flow_helpers import untrained

from stegcli.errors import WeightsError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Request, Secret
from stegcli.methods.glow2 import header, layout, rule
from stegcli.methods.glow2.layout import Share, Stretch
from stegcli.methods.glow2.method import build
from stegcli.methods.glow2.noise import Arrived
from stegcli.methods.glow2.options import HideOptions, SampleOptions
from stegcli.methods.glow2.rule import Rule
from stegcli.methods.glow2.sender import header_places
from stegcli.pictures.channel import parse

SHAPE = {"widths": [4, 4, 4], "steps": [1, 1, 1]}
SIZE = (64, 64)


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def method():
    return untrained(build(g2=SHAPE, side=64))


def stream(number=0):
    return Stream(bytes([number]) * 32)


def received(r, n=3 * 64 * 64, seed=0):
    """Latents sent, and what arrives of them with a correlation of r."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(n)
    return z, r * z + np.sqrt(1 - r**2) * rng.standard_normal(n), np.full(n, r)


# -- the two figures


def test_risk_grows_as_latents_arrive_worse():
    pool = [np.arange(300), np.arange(300, 1056)]
    found = [rule.risk(rule.agreement(*received(r)), pool, stream()) for r in (0.95, 0.7, 0.5, 0.3)]
    assert found == sorted(found)
    assert found[0] < 1e-6
    assert found[-1] > 0.9


def test_risk_is_not_below_the_share_of_headers_that_real_keys_lose(method):
    """The estimate takes fits as normal; it errs on the side of rejecting."""
    pool = layout.header_pool(method.bands(*SIZE), Share())
    for r in (0.42, 0.5):
        z, arrived, known = received(r, seed=3)
        agreed = rule.agreement(z, arrived, known)
        lost = 0
        for number in range(12):
            key = Key("glow2", "", bytes([number]) * 32)
            places = header_places(method.bands(*SIZE), key, Share())
            signs = header.write(number, number, key)
            odds = agreed[places] * signs  # as if these latents had been sent with the header's signs
            try:
                lost += header.read(odds, key) != (number, number)
            except Exception:  # noqa: BLE001  (RevealError: the header is lost)
                lost += 1
        assert lost / 12 <= rule.risk(agreed, pool, stream()) + 0.1


def test_information_is_what_the_channel_carries():
    room = [Stretch(np.arange(6000), 1), Stretch(np.arange(6000, 12288), 2)]
    all_of_it, half, none = (rule.information(*received(r), room, stream()) for r in (0.9999, 0.8, 0.01))
    assert all_of_it > 0.97
    assert 0.2 < half < 0.6
    assert abs(none) < 0.02


def test_reception_that_is_worse_than_the_receiver_thinks_carries_less():
    """The latents that were sent are known here: believing too much does not look like information."""
    z, arrived, _ = received(0.5)
    sure = np.full(len(z), 0.95)
    room = [Stretch(np.arange(12288), 1)]
    assert rule.information(z, arrived, sure, room, stream()) < 0
    assert rule.risk(rule.agreement(z, arrived, sure), [np.arange(1056)], stream()) > 0.01


def test_a_part_stands_for_a_large_band(monkeypatch):
    room = [Stretch(np.arange(12288), 2)]
    whole = rule.information(*received(0.8), room, stream())
    monkeypatch.setattr(rule, "MOST_JUDGED", 2000)
    assert rule.information(*received(0.8), room, stream()) == pytest.approx(whole, abs=0.03)


# -- who obeys it


@pytest.fixture
def judged(monkeypatch):
    """Every third draw is accepted; returns the pictures that were judged."""
    seen = []

    def accepts(self, z, x):
        seen.append(x)
        return len(seen) % 3 == 0

    monkeypatch.setattr(Rule, "accepts", accepts)
    return seen


def test_stegos_and_innocent_draws_are_the_first_that_are_accepted(method, judged):
    key = Key("glow2", "", bytes(32))
    request = Request((Secret(b"noon"),), (key,), options=HideOptions(size=SIZE))
    draft = next(method.drafts(request))
    assert len(judged) == 3
    innocent = method.innocent(Request(options=SampleOptions(size=SIZE)), stream())
    assert len(judged) == 6
    for picture, last in ((draft.picture, judged[2]), (innocent, judged[5])):
        levels = (last[0] * 256).floor().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        assert np.array_equal(picture.pixels, levels)


def test_where_no_draw_is_accepted_nothing_is_given_away(method, monkeypatch):
    monkeypatch.setattr(Rule, "accepts", lambda *_: False)
    monkeypatch.setattr(rule, "MOST_DRAWS", 3)
    request = Request((Secret(b"noon"),), (Key("glow2", "", bytes(32)),), options=HideOptions(size=SIZE))
    assert list(method.drafts(request)) == []
    with pytest.raises(WeightsError, match="no draw carries messages through png"):
        method.innocent(Request(options=SampleOptions(size=SIZE)), stream())


def test_the_verdict_is_of_the_picture_and_not_of_key_or_message(method, monkeypatch):
    """The same latents under requests with other keys and messages: one verdict, from what arrives of the picture."""
    spread = np.full(3 * 64 * 64, 0.05, np.float32)
    z = stream(5).normal(3 * 64 * 64)
    monkeypatch.setattr(type(method), "read", lambda self, picture: Arrived(z.astype(np.float32) * 0.9, spread))
    x = torch.full((1, 3, 64, 64), 0.5)
    verdicts = set()
    for number in range(4):
        keys = (Key("glow2", "", bytes([number]) * 32),)
        request = Request((Secret(bytes(number)),), keys, options=HideOptions(size=SIZE))
        verdicts.add(Rule(method, request, 1, 0.9).accepts(z, x))
    innocent = Request(options=SampleOptions(size=SIZE))
    assert verdicts == {Rule(method, innocent, 1, 0.9).accepts(z, x)} == {True}


@pytest.mark.parametrize("spread", [0.05, 3.0])
def test_a_picture_whose_latents_are_lost_is_rejected(method, monkeypatch, spread):
    z = stream(6).normal(3 * 64 * 64)
    noisy = z + spread * stream(7).normal(len(z))
    arrived = Arrived((0.9 * noisy).astype(np.float32), np.full(len(z), spread, np.float32))
    monkeypatch.setattr(type(method), "read", lambda self, picture: arrived)
    judge = Rule(method, Request(options=SampleOptions(size=SIZE), survive=(parse("jpeg:40"),)), 1, 0.9)
    assert judge.accepts(z, torch.full((1, 3, 64, 64), 0.5)) == (spread < 1)
    assert not judge.accepts(z, torch.full((1, 3, 64, 64), float("nan")))


def test_too_many_receivers_for_the_size_get_no_draw(method):
    judge = Rule(method, Request(options=SampleOptions(size=SIZE)), 4, 0.9)
    assert not judge.accepts(stream().normal(3 * 64 * 64), torch.full((1, 3, 64, 64), 0.5))
