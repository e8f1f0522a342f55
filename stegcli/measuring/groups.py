"""One scheme at one payload: its pairs made, or found again in the cache, and looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stegcli import threads
from stegcli.detectors import jpeg_schemes, schemes
from stegcli.errors import CapacityError, FileError
from stegcli.measuring import views
from stegcli.measuring.crowd import Crowd
from stegcli.measuring.store import Store, digest
from stegcli.measuring.views import View
from stegcli.pairs import REAL, Drawn, Made, Source
from stegcli.pictures import image, jpeg, metrics

AT_ONCE = 16  # pairs between two words of progress
Tick = Callable[[float], None]
"""Called with the number of pairs that are done."""


@dataclass
class Group:
    """The pairs of one scheme at one rate.

    which: positions of the pairs that could be made, in order. stegos: their files; seen: views of these; bits: of each
    message. innocents: what stegos are compared with -> files; views: of these; at: the index of the stego of each.
    """

    which: list[int] = field(default_factory=list)
    stegos: list[bytes] = field(default_factory=list)
    innocents: dict[str, list[bytes]] = field(default_factory=dict)
    seen: list[View] = field(default_factory=list)
    views: dict[str, list[View]] = field(default_factory=dict)
    at: dict[str, list[int]] = field(default_factory=dict)
    bits: list[int] = field(default_factory=list)
    psnrs: list[float] = field(default_factory=list)

    @property
    def psnr(self) -> float | None:
        return float(np.mean(self.psnrs)) if self.psnrs else None

    def add(self, position: int, made: Made, seen: View, others: Mapping[str, View]) -> None:
        self.which.append(position)
        self.stegos.append(made.stego)
        self.seen.append(seen)
        self.bits.append(made.bits)
        for name, one in others.items():
            self.innocents.setdefault(name, []).append(made.innocents[name])
            self.views.setdefault(name, []).append(one)
            self.at.setdefault(name, []).append(len(self.which) - 1)
        if made.psnr is not None:
            self.psnrs.append(made.psnr)


def of_method(source: Source, crowd: Crowd, count: int, store: Store, tick: Tick) -> Group:
    """The method's own stegos, and what they are compared with."""

    def make(position: int) -> Made | None:
        rng = np.random.default_rng([source.wanted.seed, position])
        if not source.needs_covers:
            return _drawn(source, crowd, position, store, rng)
        cover = crowd.covers[position]
        name = digest(source.setting(), cover.written())
        return _kept(store, name, lambda: source.make(cover, rng))

    return _gathered(make, count, store, tick, source.side_by_side)


def _drawn(source: Source, crowd: Crowd, position: int, store: Store, rng: np.random.Generator) -> Made | None:
    """A pair of drawn pictures; with a real one beside it, as far as there are some."""
    made = _kept(store, f"{source.setting()}-{position:05d}", lambda: source.make(None, rng))
    if made is None or position >= len(crowd.covers) or not isinstance(source, Drawn):
        return made
    drawn = image.decode(made.stego)
    try:
        real = source.real(crowd.covers[position], drawn.width, drawn.height)
    except FileError:  # smaller than the draw, whose size was not asked for
        return made
    return replace(made, innocents=dict(made.innocents) | {REAL: real})


def _kept(store: Store, name: str, make: Callable[[], Made]) -> Made | None:
    """The pair of an earlier run, or one made now; None if its message does not fit its cover."""
    found = store.pair(name)
    if found is None:
        try:
            found = make()
        except (CapacityError, FileError):
            return None
        store.keep_pair(name, found)
    return found


def of_rival(name: str, own: Group, seed: int, store: Store, tick: Tick) -> Group:
    """Another scheme's stegos, with as many bits in what the method's own stegos are first compared with."""
    against, files = next(iter(own.innocents.items()))
    at = own.at[against]
    all_known = zip(files, own.views[against], (own.bits[i] for i in at), strict=True)
    known = dict(zip((own.which[i] for i in at), all_known, strict=True))

    def make(position: int) -> Made | None:
        file, _, bits = known[position]
        rng = np.random.default_rng([seed, position, bits])
        kept = digest("rival-1", name, bits, [seed, position], file)
        made = _kept(store, kept, lambda: hidden(name, file, bits, rng))
        return None if made is None else replace(made, innocents={against: file})

    return _gathered(make, list(known), store, tick, True, {p: {against: v} for p, (_, v, _) in known.items()})


def hidden(name: str, file: bytes, bits: int, rng: np.random.Generator) -> Made:
    """A cover's file -> a stego by a scheme of `schemes` or `jpeg_schemes`. Raises CapacityError, FileError."""
    if views.is_jpeg(file):
        cover = jpeg.read(file)
        stego = jpeg.write(cover, jpeg_schemes.SCHEMES[name](cover, bits, rng)).file
        return Made(stego, {}, bits, _psnr(image.decode(file).pixels, image.decode(stego).pixels))
    picture = image.decode(file)
    pixels = schemes.SCHEMES[name](picture.pixels, bits, rng)
    return Made(image.encode(replace(picture, pixels=pixels)), {}, bits, _psnr(picture.pixels, pixels))


def rivals(own: Group) -> Mapping[str, str]:
    """What the method is compared with: name -> why it cannot be measured, "" if it can."""
    files = next(iter(own.innocents.values()))
    found = jpeg_schemes.SCHEMES if views.is_jpeg(files[0]) else schemes.SCHEMES
    return {name: jpeg_schemes.missing(name) for name in found}


def _psnr(one: np.ndarray, other: np.ndarray) -> float | None:
    found = metrics.psnr(one, other)
    return found if np.isfinite(found) else None


def _gathered(
    make: Callable[[int], Made | None], positions: int | Sequence[int], store: Store, tick: Tick, side_by_side: bool,
    known: Mapping[int, Mapping[str, View]] | None = None,
) -> Group:  # fmt: skip
    """known: views of what stegos are compared with, where there are some."""
    found, order = Group(), list(range(positions)) if isinstance(positions, int) else list(positions)

    def look(both: tuple[int, Made | None]) -> tuple[View, Mapping[str, View]] | None:
        position, made = both
        if made is None:
            return None
        others = (known or {}).get(position) or {n: views.view(f, store) for n, f in made.innocents.items()}
        return views.view(made.stego, store), others

    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        made = list(threads.each(make, some) if side_by_side else map(make, some))
        looked = threads.each(look, list(zip(some, made, strict=True)))
        for position, one, both in zip(some, made, looked, strict=True):
            if one is not None and both is not None:
                found.add(position, one, *both)
        tick(len(some))
    return found
