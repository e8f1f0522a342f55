"""The sweeps of `stego evaluate`: the user's pictures -> requests, for methods of either kind."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stegcli import api, methods, weights
from stegcli.data import load_pictures
from stegcli.errors import CapacityError, FileError, UsageError
from stegcli.keys.key import Key
from stegcli.measuring import bits, pictures, running, sweep
from stegcli.measuring.attacks import Sweep
from stegcli.measuring.running import Run
from stegcli.measuring.sweep import Setting
from stegcli.method import Method, Request, Secret
from stegcli.options import flags
from stegcli.pictures import image
from stegcli.pictures.channel import parse_survive
from stegcli.pictures.image import Picture

PAYLOAD = 0.1
"""Bits per pixel, of methods that hide bytes, if the user names no payload."""


@dataclass(frozen=True)
class Wanted:
    """Whose stegos, made of what.

    folder: of covers or of secrets, as the method needs. names: of weights, by default the method's default. payloads:
    bits per pixel, for methods that hide bytes. limit: of pictures. size: of covers, or of the stegos that carry
    pictures.
    """

    method: str
    folder: Path
    names: Sequence[str] | None = None
    payloads: Sequence[float] | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    seed: int = 0
    device: str = "auto"


def measure(
    wanted: Wanted, sweeps: Sequence[Sweep], made_for: str | None = None, run: Run = running.here
) -> list[dict[str, Any]]:
    """Send stegos through sweeps of attacks -> a record for each sweep and setting.

    made_for: a channel that all stegos are made for; by default each step, where the method can. run: runs the jobs.
    Raises UsageError, FileError, WeightsError.
    """
    found: list[dict[str, Any]] = []
    for name, payload, requests in settings(wanted) if sweeps else ():
        _check_made_for(running.loaded(wanted.method, name, wanted.device), made_for)
        setting = Setting(wanted.method, name, payload, made_for, wanted.device)
        found += sweep.swept(setting, requests, sweeps, wanted.seed, run)
    return found


def settings(wanted: Wanted) -> Iterator[tuple[str, str, list[Request]]]:
    """-> weights, the payload in words, and a request for each picture. Raises UsageError, FileError, WeightsError."""
    shows = "picture" in methods.about(wanted.method).carries
    for name in wanted.names or [weights.default_name(wanted.method)]:
        loaded = running.loaded(wanted.method, name, wanted.device)
        if shows:
            yield name, _payload_of_pictures(loaded), _of_pictures(loaded, name, wanted)
            continue
        covers = load_pictures(wanted.folder, wanted.limit, "cover", lambda p: bits.cut(p, wanted.size))
        for bpp in wanted.payloads or (PAYLOAD,):
            yield name, _told(bpp), _of_bytes(loaded, name, covers, bpp, wanted.seed)


def _check_made_for(method: Method, made_for: str | None) -> None:
    if made_for is not None:
        api.check_survives(parse_survive(made_for), method.about)


def _told(bpp: float) -> str:
    return "capacity" if np.isinf(bpp) else f"{bpp:g} bpp"


def _of_bytes(method: Method, name: str, covers: Sequence[Picture], bpp: float, seed: int) -> list[Request]:
    """One request for each cover: random bytes of that payload, or of the capacity if that is less."""
    found = []
    for index, cover in enumerate(covers):
        rng = np.random.default_rng([seed, index])
        request = Request(cover=cover, options=method.about.hide(), format=bits.format_for(method, cover))
        try:
            room = max(0, method.capacity(request))
        except (CapacityError, FileError):
            room = 0
        data = rng.bytes(room if np.isinf(bpp) else min(room, int(bpp * cover.width * cover.height / 8)))
        key = Key(method.name, name, rng.bytes(32))
        found.append(Request((Secret(data),), (key,), cover, options=request.options, format=request.format))
    return found


def _payload_of_pictures(method: Method) -> str:
    form = _form(method)
    return "a picture" if form == "picture" else f"a picture, {form}"


def _form(method: Method) -> str:
    """The form in which pictures are swept: the first that the method's `measure` names."""
    form: str = methods.module(method.name, "measure").forms(method)[0]
    return form


def _of_pictures(method: Method, name: str, wanted: Wanted) -> list[Request]:
    """One request for each secret picture. A given cover is the secret before it, as in `pictures`."""
    special = methods.module(method.name, "measure")
    square = functools.partial(pictures.square, largest=getattr(special, "LARGEST", None))
    secrets = load_pictures(wanted.folder, wanted.limit, "secret", square)
    size = wanted.size
    given = method.about.cover == "given"
    if given and len(secrets) < 2:
        raise UsageError("one picture is too few: each is hidden in the one before it", "give two or more")
    sized = {"size": size} if "size" in flags(method.about.hide) else {}
    options = method.about.hide(travel=_form(method), **sized)
    found = []
    for index, secret in enumerate(secrets):
        key = Key(method.name, name, np.random.default_rng([wanted.seed, index]).bytes(32))
        before = secrets[index - 1]
        cover = before if size is None else Picture(image.resized(before.pixels, *size))
        keys = (key,) if method.about.keyed else ()
        found.append(Request((Secret(image.encode(secret), secret),), keys, cover if given else None, options=options))
    return found
