"""Making stegos: what is given out was revealed from its own bytes, and from what the channel makes of them.

A toy stands for the method: its receivers know a pattern that the stego shows, and it fails where it is told to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from stegcli import api, weights
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import AS_USUAL, ROBUST_QUALITIES, Draft, Drawn, PictureMethod, Revealed, Secret, Wish
from stegcli.pictures import image
from stegcli.pictures.channel import Channel, parse
from stegcli.pictures.image import Picture

SIDE = 64
KEYS = [Key("toy", "x", bytes([i]) * 32) for i in range(3)]


def pattern(key: Key) -> np.ndarray:
    """What a receiver looks for. It outlives JPEG, for it is flat in blocks of 8x8."""
    seed = list(hashlib.sha256(key.secret).digest())
    blocks = np.random.default_rng(seed).integers(60, 196, (SIDE // 8, SIDE // 8, 1))
    return np.repeat(np.kron(blocks, np.ones((8, 8, 1))), 3, axis=2)


@dataclass
class Watched:
    """What the toy was asked for. spoilt: so many drafts show nothing; needs_quality: of JPEG files, to be read;
    cover, number, capacity: as its drafts tell them."""

    spoilt: int = 0
    needs_quality: int = 0
    drawn: int = 0
    wishes: list[Wish] = field(default_factory=list)
    qualities: list[int | None] = field(default_factory=list)
    drawings: list[Drawn] = field(default_factory=list)
    cover: np.ndarray | None = None
    number: int | None = None
    capacity: int = 1000


class Toy(PictureMethod):
    name = "toy"
    cover = "generated"
    survives = ("png", "jpeg:Q")
    most_receivers = 2

    def __init__(self, back: Picture | None = None, options: frozenset[str] = frozenset(), **watched: Any):
        super().__init__({})
        self.back, self.options, self.seen = back, options, Watched(**watched)

    def room(self, wish: Wish, receivers: int = 1) -> int:
        return self.seen.capacity // receivers

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
            room, seen = self.room(wish, len(keys)), self.seen
            yield Draft(
                pixels, exact, ("toy",) * len(keys), room, ("a note",), cover=seen.cover, number=seen.number
            )  # fmt: skip

    def reveal(self, stego: Picture, key: Key, token: np.ndarray | None = None, drawn: Drawn = AS_USUAL) -> Revealed:
        self.seen.drawings.append(drawn)
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
    assert method.seen.drawn == 4
    assert (refused.value.capacity, refused.value.need, refused.value.exit_code) == (1000, 8, 5)
    assert str(refused.value) == "no stego came through png: capacity 1000 bytes, need 8 bytes"
    assert refused.value.hint is None
    with pytest.raises(CapacityError, match="no stego came through jpeg:80: capacity 1000 bytes") as refused:
        made(Toy(spoilt=4, options=frozenset({"size", "psnr"})), "jpeg:80")
    assert refused.value.hint == "use a milder --survive or a larger --size or a lower --psnr"
    with pytest.raises(CapacityError, match=r"no stego came through png$"):
        made(Toy(spoilt=4, capacity=0))


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
    with pytest.raises(CapacityError, match="no stego came through jpeg:80"):
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


def test_what_is_robust_is_revealed_from_jpegs_of_all_qualities() -> None:
    secrets, wish = [Secret(b"secret")], Wish(robust=True)
    method = Toy()
    api.make(secrets, KEYS[:1], method, wish)
    assert method.seen.qualities == [None, *ROBUST_QUALITIES]
    assert (min(ROBUST_QUALITIES), max(ROBUST_QUALITIES)) == (75, 95)
    with pytest.raises(CapacityError, match="no stego came through any JPEG"):
        api.make(secrets, KEYS[:1], Toy(needs_quality=76), wish)


def test_a_cover_that_was_drawn_is_drawn_again_as_the_draft_says() -> None:
    method = Toy(number=3)
    found = api.make([Secret(b"secret")], KEYS[:1], method, Wish(drawn=Drawn(None, "diffusers:a/b", "a cat")))
    assert set(method.seen.drawings) == {Drawn(3, "diffusers:a/b", "a cat")}
    assert found.number == api.report_made(found, KEYS[:1])["number"] == 3
    api.reveal_picture(found.picture, KEYS[0], method)
    api.reveal_picture(found.picture, KEYS[0], method, drawn=Drawn(4))
    assert method.seen.drawings[-2:] == [Drawn(), Drawn(4)]


def test_the_stego_is_compared_with_its_cover() -> None:
    plain = api.report_made(made(Toy()), KEYS[:1])
    assert plain["cover_psnr"] is plain["number"] is None
    pixels = made(Toy()).picture.pixels
    found = made(Toy(cover=pixels - 5))
    assert found.cover_psnr == pytest.approx(20 * np.log10(255 / 5))
    assert api.report_made(found, KEYS[:1])["cover_psnr"] == pytest.approx(found.cover_psnr, abs=1e-3)
    same = made(Toy(cover=pixels))
    assert same.cover_psnr == np.inf
    assert api.report_made(same, KEYS[:1])["cover_psnr"] is None


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
