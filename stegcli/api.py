"""hide and reveal for pictures in memory. This module joins pictures, keys, methods and channels.

    hide     Request -> method.drafts -> file bytes -> decoded, and sent through every channel in request.survive
             -> revealed again: accepted if the secrets are the same, else the next draft
    reveal   picture -> method.reveal -> secrets
    sample   Request -> method.innocent -> file bytes of a picture without a message

`hide` returns only bytes from which the secrets were revealed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stegcli import options, weights
from stegcli.about import LOSSLESS as LOSSLESS_FORMATS
from stegcli.about import About
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Draft, Method, Request, Revealed, Secret
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.channel import LOSSLESS, Channel
from stegcli.pictures.image import Picture

LEAST_PSNR = 12.0
"""dB. A lossy picture below this PSNR counts as not revealed: a wrong key gets as much (paper of glow2)."""
HELPS = {"size": "larger", "psnr": "lower"}
"""Flag -> the change of its value that helps a secret to fit or survive, for methods with this flag."""


@dataclass(frozen=True)
class Hidden:
    """A verified stego: the bytes of its file, the decoded picture, its draft, and the quality of what came back.

    psnrs: for each secret, PSNR of the revealed picture in dB; inf if nothing was lost, None for a file.
    survives: the channels that it was verified for. draws: how many drafts were tried.
    """

    file: bytes
    picture: Picture
    draft: Draft
    psnrs: tuple[float | None, ...]
    survives: tuple[Channel, ...]
    draws: int

    @property
    def cover_psnr(self) -> float | None:
        """PSNR of the stego to its cover, in dB; None without a cover."""
        cover = self.draft.cover
        return None if cover is None else metrics.psnr(cover.pixels, self.picture.pixels)


def load_method(key: Key, given: str | None = None, device: str = "auto") -> Method:
    """Key, and the weights the user named (or None) -> the loaded method."""
    return weights.load(key.method, weights.resolve(key.method, key.weights, given), device)


def hide(request: Request, method: Method) -> Hidden:
    """Secrets -> a stego that reveals all of them. Raises CapacityError, FileError, UsageError."""
    check_request(request, method.about)
    request = replace(request, survive=channels_of(request))
    draft: Draft | None = None
    with method.inference(hiding=True):
        for draws, draft in enumerate(method.drafts(request), 1):
            file = draft.file or image.encode(draft.picture, request.format, request.quality)
            psnrs = _verified(file, draft, request, method)
            if psnrs is not None:
                return Hidden(file, image.decode(file, "stego"), draft, psnrs, request.survive, draws)
    raise _nothing_came_through(request, method, draft)


def reveal(stego: Picture, method: Method, asked: Asked) -> tuple[Revealed, ...]:
    """Stego -> its secrets: one with a key, or all of them for a method without keys. Raises RevealError."""
    with method.inference(hiding=False):
        return method.reveal(stego, asked)


def sample(request: Request, method: Method, stream: Stream) -> bytes:
    """A request without secrets -> the bytes of an innocent picture, as a stego for it would be drawn and written.

    Raises UsageError.
    """
    check_sample(request, method.about)
    request = replace(request, survive=channels_of(request))
    with method.inference(hiding=True):
        return image.encode(method.innocent(request, stream), request.format, request.quality)


def check_sample(request: Request, about: About) -> None:
    """Check that the method draws pictures as requested. Raises UsageError."""
    if not about.draws:
        raise UsageError(f"{about.name} draws no pictures of its own")
    check_survives(request.survive, about)
    check_format(request.format, about)
    options.check(request.options)


def check_request(request: Request, about: About) -> None:
    """Check that the method can serve this request. Raises UsageError."""
    count = len(request.secrets)
    if not 1 <= count <= about.most_secrets:
        raise UsageError(f"{about.name} hides at most {about.most_secrets} secrets in a stego, not {count}")
    if about.cover == "given" and request.cover is None:
        raise UsageError(f"{about.name} needs --cover IMAGE")
    if about.cover != "given" and request.cover is not None:
        raise UsageError(f"{about.name} makes its own picture and takes no --cover", "leave --cover out")
    check_keys(len(request.keys), count, about)
    check_survives(request.survive, about)
    check_format(request.format, about)
    options.check(request.options)


def check_keys(keys: int, secrets: int, about: About) -> None:
    """Check that the number of keys fits the number of secrets. Raises UsageError."""
    if not about.keyed and keys:
        raise UsageError(f"{about.name} takes no key", "leave --key out; the receiver gives --method")
    if about.keyed and keys != secrets and not (keys == 1 and about.shares_key):
        raise UsageError(f"{secrets} secrets and {keys} keys", "each --secret takes a --key of its own")


def check_survives(channels: tuple[Channel, ...], about: About) -> None:
    """Check that the method makes stegos for these channels. Raises UsageError."""
    if channel.pattern(channels) not in about.survives:
        wanted = ", ".join(map(str, channels))
        raise UsageError(f"{about.name} does not survive {wanted}", f"it survives {', '.join(about.survives)}")


def check_format(format: str, about: About) -> None:
    """Check that the method's stegos can be written in this format. Raises UsageError."""
    if format not in about.writes:
        raise UsageError(f"{about.name} does not write {format}", f"it writes {', '.join(sorted(about.writes))}")


def channels_of(request: Request) -> tuple[Channel, ...]:
    """The channels to survive, with JPEG at the request's own quality added if the file will be a JPEG."""
    lossless = request.format in LOSSLESS_FORMATS
    if (
        lossless
        or request.cover is not None
        or request.harshest.harshness >= Channel("jpeg", request.quality).harshness
    ):
        return request.survive
    return (Channel("jpeg", request.quality),)


# -- verifying


def _verified(file: bytes, draft: Draft, request: Request, method: Method) -> tuple[float | None, ...] | None:
    """The PSNR of each secret, if all of them come back from the file and through each channel; else None."""
    psnrs = _received(image.decode(file, "stego"), draft, request, method)
    if psnrs is None:
        return None
    for arrived in _on_its_way(file, request.survive):
        if _received(arrived, draft, request, method) is None:
            return None
    return psnrs


def _on_its_way(file: bytes, survive: tuple[Channel, ...]) -> Iterator[Picture]:
    stego = image.decode(file, "stego")
    for one in survive:
        if one != LOSSLESS:
            yield from one.arrivals(stego)


def _received(arrived: Picture, draft: Draft, request: Request, method: Method) -> tuple[float | None, ...] | None:
    """Reveal as the receivers would -> PSNR of each secret (None for a file); or None if one of them is wrong."""
    told = draft.told if draft.told is not None else method.about.reveal()
    found: list[float | None] = []
    for key, token, indices in _receivers(request, draft):
        try:
            readings = list(method.readings(arrived, Asked(key, token, told)))
        except RevealError:
            return None
        secrets, exact = [request.secrets[i] for i in indices], [draft.exact[i] for i in indices]
        psnrs = [_right(revealed, secrets, exact) for revealed in readings]
        if not psnrs or psnrs[0] is None or None in psnrs:
            return None
        found += psnrs[0]
    return tuple(found)


def _receivers(request: Request, draft: Draft) -> Iterator[tuple[Key | None, np.ndarray | None, range]]:
    """Each receiver's key and token, and the indices of the secrets that are for them."""
    count = len(request.secrets)
    if len(request.keys) == count:
        for index, key in enumerate(request.keys):
            yield key, draft.tokens[index] if draft.tokens else None, range(index, index + 1)
    else:
        yield request.key_of(0), draft.tokens[0] if draft.tokens else None, range(count)


def _right(
    revealed: tuple[Revealed, ...], secrets: list[Secret], exact: list[bytes | None]
) -> list[float | None] | None:
    """Compare with the secrets -> the PSNR of each, or None if one of them is wrong."""
    if len(revealed) != len(secrets):
        return None
    psnrs: list[float | None] = []
    for got, secret, sent in zip(revealed, secrets, exact, strict=True):
        psnr = None if got.picture is None else _likeness(secret, got.picture)
        if got.data != sent or (sent is None and (psnr is None or psnr < LEAST_PSNR)):
            return None
        psnrs.append(psnr)
    return psnrs


def _likeness(secret: Secret, back: Picture) -> float | None:
    """PSNR of a revealed picture, measured at the size of the secret."""
    if secret.picture is None:
        return None
    truth = secret.picture.pixels
    return metrics.psnr(truth, image.resized(back.pixels, truth.shape[1], truth.shape[0]))


def _nothing_came_through(request: Request, method: Method, draft: Draft | None) -> CapacityError:
    """The error when no draft was verified. It gives the last draft's capacity, which may have been large enough."""
    exact = draft.exact if draft else (None,) * len(request.secrets)
    need = max(len(s.data if e is None else e) for s, e in zip(request.secrets, exact, strict=True))
    capacity = max(0, draft.capacity if draft else method.capacity(request))
    ways = [] if request.survive == (LOSSLESS,) else ["a milder --survive"]
    ways += [f"a {way} --{flag}" for flag, way in HELPS.items() if flag in options.flags(method.about.hide)]
    message = f"no stego came through {channel.told(request.survive)}"
    if capacity:
        message += f": capacity {capacity} bytes, need {need} bytes"
    return CapacityError(capacity, need, f"use {' or '.join(ways)}" if ways else None, message)
