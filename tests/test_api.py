"""Hiding: what is given out was revealed from its own bytes, and from what the channel makes of them.

Toys stand for the methods: their receivers know a pattern that the stego shows, and they fail where they are told to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageCms
from toys import FRAME, Frames, LargerToy, Toy, ToyReveal

from stegcli import api, weights
from stegcli.api import Hidden
from stegcli.cli import report
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.pictures import image
from stegcli.pictures.channel import Channel, parse, parse_survive
from stegcli.pictures.image import Picture

KEYS = [Key("toy", "x", bytes([i]) * 32) for i in range(3)]


def asked(survive: str = "png", format: str = "PNG", quality: int = 90, count: int = 1) -> Request:
    secrets = tuple(Secret(b"secret %d" % i) for i in range(count))
    return Request(secrets, tuple(KEYS[:count]), None, parse_survive(survive), format=format, quality=quality)


def made(method: Toy, survive: str = "png", format: str = "PNG", quality: int = 90, count: int = 1) -> Hidden:
    return api.hide(replace(asked(survive, format, quality, count), options=method.about.hide()), method)


def read(method: Toy, stego: Picture, key: Key) -> bytes | None:
    (found,) = api.reveal(stego, method, Asked(key, options=ToyReveal()))
    return found.data


def figures(found: Hidden, method: Toy, count: int = 1) -> dict[str, object]:
    secrets = [Secret(b"secret %d" % i) for i in range(count)]
    return report.of_hidden(found, method, KEYS[:count], secrets, "-", [], [], 0.0)


def test_what_is_made_reveals_from_its_own_bytes() -> None:
    method = Toy()
    found = made(method)
    arrived = image.decode(found.file)
    assert (arrived.pixels == found.picture.pixels).all()
    assert read(method, arrived, KEYS[0]) == b"secret 0"
    draft = found.draft
    assert (draft.capacity, draft.forms, draft.exact, found.psnrs) == (1000, ("toy",), (b"secret 0",), (None,))
    assert (found.survives, draft.notes) == ((Channel("png"),), ("a note",))


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
        made(LargerToy(spoilt=4), "jpeg:80")
    assert refused.value.hint == "use a milder --survive or a larger --size"
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
    (request,) = method.seen.requests
    assert [str(c) for c in request.survive] == [str(c) for c in found.survives] == [asked]
    assert (image.decode(found.file).jpeg is not None) == (format == "JPEG")


def test_what_does_not_survive_the_channel_is_not_made() -> None:
    with pytest.raises(CapacityError, match="no stego came through jpeg:80"):
        made(Toy(needs_quality=81), "jpeg:80")
    made(Toy(needs_quality=80), "jpeg:80")


def test_every_receiver_is_served_or_none() -> None:
    method = Toy()
    found = made(method, count=2)
    assert found.draft.exact == (b"secret 0", b"secret 1")
    assert [read(method, found.picture, k) for k in KEYS[:2]] == [b"secret 0", b"secret 1"]
    with pytest.raises(UsageError, match="toy hides at most 2 secrets"):
        made(method, count=3)


@pytest.mark.parametrize(("error", "fits"), [(0, True), (40, True), (100, False)])
def test_a_picture_must_come_back_as_a_likeness(error: int, fits: bool) -> None:
    """Above the dB that a wrong key gets; measured at the secret's size."""
    secret = Picture(np.full((20, 30, 3), 100, np.uint8))
    method = Toy(Picture(np.full((40, 60, 3), 100 + error, np.uint8)))
    request = Request((Secret(b"file", secret),), tuple(KEYS[:1]))
    if not fits:
        with pytest.raises(CapacityError):
            api.hide(request, method)
        return
    found = api.hide(request, method)
    assert found.draft.exact == (None,)
    expected = np.inf if error == 0 else 20 * np.log10(255 / error)
    assert found.psnrs[0] == pytest.approx(expected)


def test_what_is_robust_is_revealed_from_jpegs_of_all_qualities() -> None:
    method = Toy()
    made(method, "jpeg:75..95")
    assert method.seen.qualities == [None, 75, 80, 85, 90, 95]
    with pytest.raises(CapacityError, match="no stego came through JPEG 75 to 95"):
        made(Toy(needs_quality=76), "jpeg:75..95")


def test_a_cover_that_was_drawn_is_drawn_again_as_the_draft_says() -> None:
    method = Toy(number=3)
    found = made(method)
    assert set(method.seen.options) == {ToyReveal(3, "green")}
    assert found.draft.number == figures(found, method)["number"] == 3
    read(method, found.picture, KEYS[0])
    api.reveal(found.picture, method, Asked(KEYS[0], options=ToyReveal(4)))
    assert method.seen.options[-2:] == [ToyReveal(), ToyReveal(4)]


def test_the_stego_is_compared_with_its_cover() -> None:
    plain = figures(made(Toy()), Toy())
    assert plain["cover_psnr"] is plain["number"] is None
    pixels = made(Toy()).picture.pixels
    found = made(Toy(cover=pixels - 5))
    assert found.cover_psnr == pytest.approx(20 * np.log10(255 / 5))
    assert figures(found, Toy())["cover_psnr"] == pytest.approx(found.cover_psnr, abs=1e-3)
    same = made(Toy(cover=pixels))
    assert same.cover_psnr == np.inf
    assert figures(same, Toy())["cover_psnr"] is None


def test_figures_of_one_and_of_several() -> None:
    one, two = figures(made(Toy()), Toy()), figures(made(Toy(), count=2), Toy(), 2)
    assert (one["payload_bytes"], one["form"], one["secret_psnr"]) == (8, "toy", None)
    assert one["bpp"] == pytest.approx(8 * 8 / 64**2)
    assert (two["payload_bytes"], two["form"], two["secret_psnr"]) == ([8, 8], ["toy", "toy"], [None, None])
    assert two["bpp"] == pytest.approx(2 * 8 * 8 / 64**2)
    empty = api.hide(Request((Secret(b""),), tuple(KEYS[:1])), Toy())
    assert figures(empty, Toy())["bpp"] == 0


def test_the_size_of_a_method_that_hides_in_covers_is_told_by_its_slots() -> None:
    method = weights.load("lossless-inn")

    def room(side: int) -> int:
        return method.capacity(Request(cover=Picture(np.zeros((side, side, 3), np.uint8))))

    assert room(64) > 0
    assert room(1) == 0


# -- what is refused before any work

COVER = Picture(np.full((64, 64, 3), 128, np.uint8))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asked(), None),
        (asked(count=0), "at most 2 secrets in a stego, not 0"),
        (replace(asked(count=2), keys=tuple(KEYS[:1])), "2 secrets and 1 keys"),
        (replace(asked(), keys=()), "1 secrets and 0 keys"),
        (replace(asked(), cover=COVER), "toy makes its own picture"),
        (replace(asked(), survive=(parse("resize:2"),)), "toy does not survive resize:2"),
        (replace(asked(), format="GIF"), "toy does not write GIF"),
    ],
)
def test_requests_that_a_method_cannot_serve(request_: Request, message: str | None) -> None:
    method = Toy()
    if message is None:
        api.hide(request_, method)
        return
    with pytest.raises(UsageError, match=message):
        api.hide(request_, method)
    assert method.seen.requests == []


# -- methods without keys, with several secrets, with a cover


def drawn(number: int) -> Secret:
    """A smooth picture of its own."""
    y, x = np.mgrid[:32, :32]
    pixels = np.stack([128 + 90 * np.sin((x + number * y) / 9 + c) for c in range(3)], axis=-1).astype(np.uint8)
    return Secret(image.encode(Picture(pixels)), Picture(pixels))


def framed(count: int, survive: str = "png", cover: Picture = COVER) -> Request:
    return Request(tuple(drawn(i) for i in range(count)), (), cover, parse_survive(survive))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("survive", ["png", "noise:3"])
def test_a_keyless_method_brings_back_every_secret_in_order(count: int, survive: str) -> None:
    found = api.hide(framed(count, survive), Frames())
    assert len(found.psnrs) == count
    assert all(psnr is not None and psnr > 15 for psnr in found.psnrs)
    back = api.reveal(found.picture, Frames(), Asked())
    assert len(back) == count
    for one, secret in zip(back, framed(count).secrets, strict=True):
        assert one.picture is not None
        assert secret.picture is not None
        assert (one.picture.pixels == image.resized(secret.picture.pixels, FRAME, FRAME)).all()


def test_a_secret_that_is_missing_is_noticed() -> None:
    with pytest.raises(CapacityError, match="no stego came through png"):
        api.hide(framed(3), Frames(lost=1))


def test_a_keyless_method_takes_no_key_and_needs_its_cover() -> None:
    with pytest.raises(UsageError, match="frames takes no key"):
        api.hide(replace(framed(1), keys=tuple(KEYS[:1])), Frames())
    with pytest.raises(UsageError, match="frames needs --cover"):
        api.hide(replace(framed(1), cover=None), Frames())
    with pytest.raises(UsageError, match="at most 3 secrets"):
        api.hide(framed(4), Frames())


def test_alpha_and_colour_profile_reach_the_file() -> None:
    alpha = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = api.hide(framed(1, cover=Picture(COVER.pixels, alpha, profile)), Frames())
    arrived = image.decode(found.file)
    assert arrived.alpha is not None
    assert (arrived.alpha == alpha).all()
    assert arrived.icc_profile == profile


def test_an_innocent_picture_reveals_nothing() -> None:
    with pytest.raises(RevealError):
        api.reveal(Picture(np.zeros((64, 64, 3), np.uint8)), Frames(), Asked())
