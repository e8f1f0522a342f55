"""The implementation of the Python API: hide and reveal with paths, bytes and PIL images."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from PIL.Image import fromarray as from_array

from stegcli import api, files, methods, weights
from stegcli.about import About
from stegcli.errors import FileError, UsageError
from stegcli.files import Output
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Revealed, Secret
from stegcli.options import declared
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture
from stegcli.rooms import Room, rooms

Source = str | os.PathLike[str] | bytes | Image
KeySource = str | os.PathLike[str] | Key


@dataclass(frozen=True)
class Stego:
    """A verified stego.

    file: the bytes of its file. keys: the key of each receiver. tokens: arrays that a receiver needs besides the key.
    capacity: most bytes that each secret may have. psnrs: dB of each revealed picture, None for a file.
    cover_psnr: dB of the stego to its cover, None without a cover. notes: warnings for the user.
    """

    file: bytes
    keys: tuple[Key, ...] = field(repr=False)
    capacity: int
    psnrs: tuple[float | None, ...]
    cover_psnr: float | None
    notes: tuple[str, ...]
    tokens: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def picture(self) -> Image:
        return from_array(image.decode(self.file, "stego").pixels)

    def save(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write the file, whole or not at all. Raises FileError."""
        files.write(path, self.file, force)


@dataclass(frozen=True)
class Found:
    """A revealed secret: `data` of a file, or `picture`. others: the further secrets of the same stego."""

    data: bytes | None
    picture: Image | None
    notes: tuple[str, ...] = ()
    others: tuple[Found, ...] = ()


def hide(
    secret: Source | Sequence[Source], cover: Source | None, key: KeySource | Sequence[KeySource] | None,
    method: str | None, named: str | None, survive: str | None, format: str | None, quality: int, device: str,
    options: Mapping[str, object],
) -> Stego:  # fmt: skip
    several = list(secret) if isinstance(secret, Sequence) and not isinstance(secret, str | bytes) else [secret]
    held = _keys(key)
    about = methods.about(_chosen(held, method, cover, survive or "png"))
    own = _own_options(about, "hide", options)
    about = about.serving(own)
    _check_keyless(about, held)
    loaded = _load(about, held, named, device)
    if not held and about.keyed:
        held = _fresh(about, named, 1 if about.shares_key else len(several))
    secrets = tuple(_secret(s, about, own) for s in several)
    picture = None if cover is None else _picture(cover, "cover")
    channels = parse_survive(survive or "png")
    request = Request(secrets, held, picture, channels, own, format or about.format_for(survive), quality)
    hidden = api.hide(request, loaded)
    draft = hidden.draft
    return Stego(hidden.file, held, draft.capacity, hidden.psnrs, hidden.cover_psnr, draft.notes, draft.tokens)


def reveal(
    stego: Source, key: KeySource | None, method: str | None, named: str | None, device: str,
    options: Mapping[str, object],
) -> Found:  # fmt: skip
    held = _keys(key)
    if not held and method is None:
        raise UsageError("no key, and no method that needs none")
    about = methods.about(held[0].method if held else str(method))
    own = _own_options(about, "reveal", options)
    about = about.serving(own) if held else about.serving(own).keyless() or about
    if about.keyed and not held:
        raise UsageError(f"{about.name} needs a key")
    _check_keyless(about, held)
    loaded = _load(about, held, named, device)
    asked = Asked(held[0] if held else None, None, own)
    revealed = api.reveal(_picture(stego, "stego"), loaded, asked)
    files.write_all([Output(p, image.encode_as(picture, str(p))) for r in revealed for p, picture in r.besides])
    first, *others = (_found(r) for r in revealed)
    return Found(first.data, first.picture, first.notes, tuple(others))


def keygen(method: str, named: str | None, facets: Mapping[str, str]) -> Key:
    unknown = facets.keys() - methods.about(method).facets.keys()
    if unknown:
        raise UsageError(f"{method} has no {', '.join(sorted(unknown))}")
    return keys.generate(method, weights.identity(method, weights.by_facets(method, facets, named) or "default"))


def capacity(
    cover: Source | None, size: tuple[int, int] | None, method: str | None, survive: str | None, device: str
) -> list[Room]:
    picture = None if cover is None else _picture(cover, "cover")
    return list(rooms(picture, size, None if method is None else [method], survive, device))


# -- helpers


def _keys(key: KeySource | Sequence[KeySource] | None) -> tuple[Key, ...]:
    if key is None:
        return ()
    several = [key] if isinstance(key, str | os.PathLike | Key) else list(key)
    return tuple(k if isinstance(k, Key) else keys.load(k) for k in several)


def _chosen(held: tuple[Key, ...], method: str | None, cover: Source | None, survive: str) -> str:
    if held:
        if method not in (None, held[0].method):
            raise UsageError(f"the key is for {held[0].method}, not for {method}")
        return held[0].method
    return method or methods.default(cover is not None, survive)


def _check_keyless(about: About, held: tuple[Key, ...]) -> None:
    if held and not about.keyed:
        raise UsageError(f"{about.name} takes no key in this form", "leave the key out")


def _load(about: About, held: tuple[Key, ...], named: str | None, device: str) -> Method:
    if held:
        return api.load_method(held[0], named, device)
    return weights.load(about.name, named or about.weights, device)


def _fresh(about: About, named: str | None, count: int) -> tuple[Key, ...]:
    name = weights.identity(about.name, named or "default")
    first = keys.generate(about.name, name)
    more = (keys.beside(first) if about.shares_cover else keys.generate(about.name, name) for _ in range(count - 1))
    return (first, *more)


def _own_options(about: About, command: methods.Command, given: Mapping[str, object]) -> Any:
    """Options named by their flags, with `_` for `-` -> an instance of the option class. Raises UsageError."""
    known: type = getattr(about, command)
    names = {d.flag.replace("-", "_"): d.name for d in declared(known)}
    unknown = given.keys() - names.keys()
    if unknown:
        has = ", ".join(sorted(names)) or "none"
        raise UsageError(f"{about.name} has no option {', '.join(sorted(unknown))}", f"its options: {has}")
    return known(**{names[n]: v for n, v in given.items()})


def _secret(source: Source, about: About, own: Any) -> Secret:
    if isinstance(source, Image):
        picture = _picture(source, "secret")
        return Secret(image.encode(picture), picture)
    data = source if isinstance(source, bytes) else files.read(source, "secret")
    if "picture" not in about.carries or getattr(own, "travel", "auto") == "bytes":
        return Secret(data)
    try:
        return Secret(data, image.decode(data, "secret"))
    except FileError:
        if getattr(own, "travel", "auto") != "auto" or "bytes" not in about.carries:
            raise
        return Secret(data)


def _picture(source: Source, what: str) -> Picture:
    if isinstance(source, Image):
        buffer = io.BytesIO()
        source.save(buffer, "PNG")  # so that modes and alpha are treated as in any file
        return image.decode(buffer.getvalue(), what)
    return image.decode(source, what) if isinstance(source, bytes) else image.load(Path(source), what)


def _found(revealed: Revealed) -> Found:
    picture = None if revealed.picture is None else from_array(revealed.picture.pixels)
    return Found(None if picture is not None else revealed.data, picture, revealed.notes)
