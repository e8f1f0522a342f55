"""Making stegos: what is given out was revealed from its own bytes, and from what the channel makes of them.

A toy stands for the method: its receivers know a pattern that the stego shows, and it fails where it is told to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from stegcli import api, image, weights
from stegcli.channel import Channel, parse
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.image import Picture
from stegcli.key import Key
from stegcli.method import Draft, PictureMethod, Revealed, Secret, Wish

SIDE = 64
KEYS = [Key("toy", "x", bytes([i]) * 32) for i in range(3)]


def pattern(key: Key) -> np.ndarray:
    """What a receiver looks for. It outlives JPEG, for it is flat in blocks of 8x8."""
    seed = list(hashlib.sha256(key.secret).digest())
    blocks = np.random.default_rng(seed).integers(60, 196, (SIDE // 8, SIDE // 8, 1))
    return np.repeat(np.kron(blocks, np.ones((8, 8, 1))), 3, axis=2)


@dataclass
class Watched:
    """What the toy was asked for. spoilt: so many drafts show nothing; needs_quality: of JPEG files, to be read."""

    spoilt: int = 0
    needs_quality: int = 0
    drawn: int = 0
    wishes: list[Wish] = field(default_factory=list)
    qualities: list[int | None] = field(default_factory=list)


class Toy(PictureMethod):
    name = "toy"
    cover = "generated"
    survives = ("png", "jpeg:Q")
    most_receivers = 2

    def __init__(self, back: Picture | None = None, **watched: int):
        super().__init__({})
        self.back, self.seen = back, Watched(**watched)

    def room(self, wish: Wish, receivers: int = 1) -> int:
        return 1000 // receivers

    def drafts(
        self, secrets: Sequence[Secret], keys: Sequence[Key], wish: Wish, cover: Picture | None = None
    ) -> Iterator[Draft]:
        self.seen.wishes.append(wish)
        exact = tuple(None if self.back else s.data for s in secrets)
        self.data = {k.secret: s.data for k, s in zip(keys, secrets, strict=True)}
        for _ in range(4):
            self.seen.drawn += 1
            mean = sum(pattern(k) for k in keys) / len(keys)
            pixels = (mean if self.seen.drawn > self.seen.spoilt else 255 - mean).astype(np.uint8)
            yield Draft(pixels, exact, ("toy",) * len(keys), self.room(wish, len(keys)), ("a note",))

    def reveal(self, stego: Picture, key: Key, token: np.ndarray | None = None) -> Revealed:
        self.seen.qualities.append(stego.jpeg.quality if stego.jpeg else None)
        likeness = np.corrcoef(stego.pixels.ravel(), pattern(key).ravel())[0, 1]
        if likeness < 0.5 or (stego.jpeg and stego.jpeg.quality < self.seen.needs_quality):
            raise RevealError
        return Revealed(None, self.back) if self.back else Revealed(self.data[key.secret])


def made(method: Toy, survive: str = "png", format: str = "PNG", quality: int = 90, count: int = 1) -> api.Made:
    secrets = [Secret(b"secret %d" % i) for i in range(count)]
    return api.make(secrets, KEYS[:count], method, Wish(parse(survive)), None, format, quality)


def test_what_is_made_reveals_from_its_own_bytes() -> None:
    method = Toy()
    found = made(method)
    arrived = image.decode(found.file)
    assert (arrived.pixels == found.picture.pixels).all()
    assert method.reveal(arrived, KEYS[0]).data == b"secret 0"
    assert (found.capacity, found.forms, found.payloads, found.psnrs) == (1000, ("toy",), (8,), (None,))
    assert (found.survives, found.notes) == (Channel("png"), ("a note",))


def test_drafts_are_tried_until_one_reveals() -> None:
    method = Toy(spoilt=3)
    made(method)
    assert method.seen.drawn == 4


def test_when_none_does_nothing_is_made() -> None:
    method = Toy(spoilt=4)
    with pytest.raises(CapacityError) as refused:
        made(method)
    assert (method.seen.drawn, refused.value.need) == (4, 8)
    assert "no draw brought it through png" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("survive", "format", "quality", "seen", "asked"),
    [
        ("png", "PNG", 90, [None], "png"),
        ("jpeg:80", "PNG", 90, [None, 80], "jpeg:80"),
        ("png", "JPEG", 60, [60, 60], "jpeg:60"),
        ("jpeg:80", "JPEG", 60, [60, 60], "jpeg:60"),
        ("jpeg:80", "JPEG", 95, [95, 80], "jpeg:80"),
        ("noise:1", "PNG", 90, [None, None], "noise:1"),
    ],
)
def test_the_file_and_what_the_channel_makes_of_it_are_both_revealed(
    survive: str, format: str, quality: int, seen: list[int | None], asked: str
) -> None:
    method = Toy()
    found = made(method, survive, format, quality)
    assert method.seen.qualities == seen
    assert [str(w.survive) for w in method.seen.wishes] == [str(found.survives)] == [asked]
    assert (image.decode(found.file).jpeg is not None) == (format == "JPEG")


def test_what_does_not_outlive_the_channel_is_not_made() -> None:
    with pytest.raises(CapacityError, match="does not fit"):
        made(Toy(needs_quality=81), "jpeg:80")
    made(Toy(needs_quality=80), "jpeg:80")


def test_every_receiver_is_served_or_none() -> None:
    method = Toy()
    found = made(method, count=2)
    assert found.payloads == (8, 8)
    assert [method.reveal(found.picture, k).data for k in KEYS[:2]] == [b"secret 0", b"secret 1"]
    with pytest.raises(UsageError, match="toy serves at most 2 receivers"):
        made(method, count=3)


@pytest.mark.parametrize(("error", "fits"), [(0, True), (40, True), (100, False)])
def test_a_picture_must_come_back_as_a_likeness(error: int, fits: bool) -> None:
    """Above the dB that a wrong key gets; measured at the secret's size."""
    secret = Picture(np.full((20, 30, 3), 100, np.uint8))
    method = Toy(Picture(np.full((40, 60, 3), 100 + error, np.uint8)))
    wish = Wish(parse("png"))
    if not fits:
        with pytest.raises(CapacityError):
            api.make([Secret(b"file", secret)], KEYS[:1], method, wish)
        return
    found = api.make([Secret(b"file", secret)], KEYS[:1], method, wish)
    assert found.payloads == (None,)
    expected = np.inf if error == 0 else 20 * np.log10(255 / error)
    assert found.psnrs[0] == pytest.approx(expected)


def test_figures_of_one_and_of_several() -> None:
    one, two = made(Toy()), made(Toy(), count=2)
    figures = api.report_made(one, KEYS[:1])
    assert (figures["payload_bytes"], figures["form"], figures["secret_psnr"]) == (8, "toy", None)
    assert figures["bpp"] == pytest.approx(8 * 8 / SIDE**2)
    figures = api.report_made(two, KEYS[:2])
    assert (figures["payload_bytes"], figures["form"], figures["secret_psnr"]) == ([8, 8], ["toy", "toy"], [None, None])
    assert figures["bpp"] == pytest.approx(2 * 8 * 8 / SIDE**2)
    empty = api.make([Secret(b"")], KEYS[:1], Toy(), Wish())
    assert api.report_made(empty, KEYS[:1])["bpp"] == 0


def test_a_picture_too_small_for_the_method_reveals_nothing() -> None:
    method = Toy()
    with pytest.raises(RevealError):
        api.reveal_picture(Picture(np.zeros((63, 64, 3), np.uint8)), KEYS[0], method)
    assert method.seen.qualities == []


def test_the_size_of_a_method_that_hides_in_covers_is_told_by_its_slots() -> None:
    method = weights.load("lossless-inn")
    assert api.capacity_bytes(method, 64, 64) > 0
    assert api.capacity_bytes(method, 1, 1) == 0
