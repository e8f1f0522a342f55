"""Capacity for each method and channel, before anything is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stegcli import methods, weights
from stegcli.about import About
from stegcli.errors import StegoError
from stegcli.method import Request
from stegcli.options import Size, flags
from stegcli.pictures.channel import Channel, parse_survive, pattern
from stegcli.pictures.image import Picture

EXAMPLES = {
    "jpeg:Q": ("jpeg:90", "jpeg:75"),
    "jpeg:A..B": ("jpeg:75..95",),
    "noise:S": ("noise:2",),
    "webp:Q": ("webp:80",),
}
"""Name of a channel in `About.survives` -> the channels to report. Other names stand for themselves."""


@dataclass(frozen=True)
class Room:
    """The capacity of one method for one channel, in bytes; None if the method cannot tell, for the reason `why`."""

    method: str
    survive: str
    width: int | None
    height: int | None
    capacity: int | None
    why: str | None = None

    @property
    def bpp(self) -> float | None:
        if self.capacity is None or not (self.width and self.height):
            return None
        return 8 * self.capacity / (self.width * self.height)


def rooms(
    cover: Picture | None, size: Size | None = None, names: Iterable[str] | None = None, survive: str | None = None,
    device: str = "auto",
) -> Iterator[Room]:  # fmt: skip
    """The capacity of a cover or, without one, of a generated stego of a size (None for the method's default).

    names: the methods to report, by default all that fit. survive: one channel in place of the usual ones.
    """
    asked = parse_survive(survive) if survive else None
    for name in names if names is not None else methods.names():
        about = methods.about(name)
        if (about.cover == "given") != (cover is not None):
            continue
        channels = [survive] if survive else [c for s in about.survives for c in EXAMPLES.get(s, (s,))]
        if asked is not None and pattern(asked) not in about.survives:
            continue
        for text in channels:
            assert text is not None
            yield _room(about, cover, size, text, parse_survive(text), device)


def _room(
    about: About, cover: Picture | None, size: Size | None, text: str, survive: tuple[Channel, ...], device: str
) -> Room:
    width, height = size or ((cover.width, cover.height) if cover is not None else (None, None))
    options = about.hide(size=size) if size is not None and "size" in flags(about.hide) else about.hide()
    try:
        method = weights.load(about.name, device=device)
        found = method.capacity(Request(cover=cover, survive=survive, options=options))
    except StegoError as error:
        return Room(about.name, text, width, height, None, str(error))
    return Room(about.name, text, width, height, max(0, found))
