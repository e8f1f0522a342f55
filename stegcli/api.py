"""hide and reveal: the one place where picture, key, payload, weights and method meet.

    hide     cover -> natural bits -> payload.write -> method.hide -> 8-bit grid -> file bytes
             -> decoded again and revealed: the same data, or the next stronger code, or CapacityError
    reveal   file bytes -> picture -> method.reveal -> payload.read -> data

and for methods that make the stego themselves

    make     secrets -> method.drafts -> file bytes -> decoded, and through the channel that was asked for -> revealed

Nothing is returned by `hide_bytes` or `make` that did not reveal from exactly the bytes returned.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stegcli import weights
from stegcli.coding import ldpc, payload
from stegcli.coding.payload import Plan
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import (
    AS_USUAL,
    ROBUST_QUALITIES,
    BitMethod,
    Draft,
    Drawn,
    Method,
    PictureMethod,
    Revealed,
    Secret,
    Wish,
)
from stegcli.nn import tensors
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import Channel
from stegcli.pictures.image import Picture

DOUBT = 0.02
"""Log-odds within which another processor might read the other bit: a stego must reveal even if it does."""


@dataclass(frozen=True)
class Hidden:
    """A verified stego: the bytes of its file, and what it took."""

    file: bytes
    picture: Picture
    capacity: int  # bytes
    code: int  # index into ldpc.RATES
    wrong_bits: float  # share of coded bits that the method alone reads wrongly
    coded_bits: int  # what the slots carry, header, tag and code included
    z: np.ndarray | None = None


def load_method(key: Key, given: str | None = None, device: str = "auto") -> Method:
    """Key, and the weights the user named (or None) -> the method ready to use."""
    return weights.load(key.method, weights.resolve(key.method, key.weights, given), pick_device(device))


def pick_device(wanted: str) -> str:
    """auto, cpu or cuda -> cpu or cuda. Raises UsageError if it is not to be had."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no device {wanted!r}", "auto, cpu or cuda")
    here = torch.cuda.is_available()
    if wanted == "cuda" and not here:
        raise UsageError("no CUDA device here", "use --device auto or cpu")
    return "cuda" if here and wanted != "cpu" else "cpu"


def capacity_bytes(method: BitMethod, height: int, width: int) -> int:
    """The most bytes that a picture of that size carries."""
    return max(0, payload.capacity(method.capacity(height, width), method.layout, method.weakest_code))


@torch.no_grad()
def hide_bytes(data: bytes, cover: Picture, key: Key, method: BitMethod, format: str = "PNG") -> Hidden:
    """Data and cover -> a stego that reveals exactly. Raises CapacityError, FileError."""
    _check_size(cover, method)
    with _full_precision():
        hidden = _Sender(data, cover, key, method, format).run()
        if hidden is None:
            capacity = _measured_capacity(len(data), cover, key, method, format)
            raise CapacityError(capacity, len(data), "use a larger cover")
    return hidden


@torch.no_grad()
def reveal_bytes(stego: Picture, key: Key, method: BitMethod) -> bytes:
    """Stego -> the data. Raises RevealError."""
    if min(stego.height, stego.width) < method.min_side:
        raise RevealError
    with _full_precision():
        return payload.read(method.reveal(tensors.to_tensor(stego.pixels), key), key, method.layout)


class _Sender:
    """Looks for a stego that reveals: the sender knows the channel, and can try."""

    def __init__(self, data: bytes, cover: Picture, key: Key, method: BitMethod, format: str):
        self.data, self.cover, self.key, self.method, self.format = data, cover, key, method, format
        self.tensor = tensors.to_tensor(cover.pixels)
        self.wrong = 0.0  # share of wrong bits at the last try

    def run(self) -> Hidden | None:
        """The first that reveals of: the weakest code; the first code that stands the errors seen; mending."""
        slots = self.method.capacity(self.cover.height, self.cover.width)
        codes = _codes(self.method, slots, len(self.data))
        if self.method.layout == "coset":
            return self._try(0, payload.write_coset(self.data, self.key, self.method.planes(self.tensor)))
        natural = _hard(self.method.reveal(self.tensor, self.key))
        plans = {c: payload.write(self.data, self.key, natural, c) for c in codes}
        if found := self._try(codes[0], plans[codes[0]]):
            return found
        fit = next((c for c in codes[1:] if self.wrong < ldpc.STANDS[c]), None)
        if fit and (found := self._try(fit, plans[fit])):
            return found
        return next(filter(None, (self._try(c, plans[c], mend=True) for c in codes)), None)

    def _try(self, code: int, plan: Plan, mend: bool = False) -> Hidden | None:
        stego = self.method.hide(plan.bits, plan.used, self.tensor, plan.key)
        if mend:
            stego = self.method.mend(stego, plan.bits, plan.used)
        file, picture = _encode(stego, self.cover, self.format)
        soft = self.method.reveal(tensors.to_tensor(picture.pixels), self.key)
        self.wrong = _wrong(soft, plan)
        if not _reveals(soft, self.data, self.key, self.method):
            return None
        capacity = capacity_bytes(self.method, self.cover.height, self.cover.width)
        return Hidden(file, picture, capacity, code, self.wrong, plan.coded_bits)


def _wrong(soft: np.ndarray, plan: Plan) -> float:
    return float((_hard(soft) != plan.bits)[plan.used].mean())


def _codes(method: BitMethod, slots: int, need: int) -> list[int]:
    """The codes that the data fits, weakest first. Raises CapacityError if there is none."""
    rooms = {c: payload.capacity(slots, method.layout, c) for c in range(method.weakest_code, len(ldpc.RATES))}
    most = rooms[method.weakest_code]
    if need > most:
        raise CapacityError(max(0, most), need, _larger(method))
    return [c for c, room in rooms.items() if need <= room]


def _larger(method: BitMethod) -> str:
    if method.config.get("coder") == "network" and method.config.get("message") == 1:
        return "use a larger cover, or --weights coset (3 bits per pixel)"
    return "use a larger cover"


def _reveals(soft: np.ndarray, data: bytes, key: Key, method: BitMethod) -> bool:
    """Whether the receiver gets the data: as read here, and with every doubtful slot read the other way."""
    doubtful = np.abs(soft) < DOUBT
    readings = [soft, np.where(doubtful, -soft, soft)] if doubtful.any() else [soft]
    try:
        return all(payload.read(r, key, method.layout) == data for r in readings)
    except RevealError:
        return False


def _measured_capacity(need: int, cover: Picture, key: Key, method: BitMethod, format: str) -> int:
    """After a failure: the most bytes, below `need`, that this very cover was seen to carry."""
    slots = method.capacity(cover.height, cover.width)
    codes = range(method.weakest_code + 1, len(ldpc.RATES))
    rooms = (payload.capacity(slots, method.layout, c) for c in codes)
    for room in rooms:
        if 0 <= room < need and _Sender(secrets.token_bytes(room), cover, key, method, format).run():
            return room
    return 0


def _check_size(cover: Picture, method: Method) -> None:
    if min(cover.height, cover.width) < method.min_side:
        raise FileError(
            f"cover is {cover.width}x{cover.height}, {method.name} needs at least {method.min_side}x{method.min_side}"
        )


def _encode(stego: Tensor, cover: Picture, format: str) -> tuple[bytes, Picture]:
    """Stego -> the bytes of its file, and the picture that these bytes decode to."""
    file = image.encode(replace(cover, pixels=tensors.to_pixels(stego)), format)
    return file, image.decode(file, "stego")


def _hard(soft: np.ndarray) -> np.ndarray:
    return (soft > 0).astype(np.uint8)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """float32 convolutions as such: TF32 would read other bits on another device.

    Reference: PyTorch notes, "Numerical accuracy".
    """
    before = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


# -- lossless-inn in the paper's form: the key file carries z


@torch.no_grad()
def hide_bytes_with_z(data: bytes, cover: Picture, key: Key, method: BitMethod, format: str = "PNG") -> Hidden:
    """As `hide_bytes`, for a receiver who is handed z as well. Raises UsageError if the method has no z."""
    hide_with_z = getattr(method, "hide_with_z", None)
    if hide_with_z is None:
        raise UsageError("--key-out needs the paper's network", "add --weights 1bpp or 3bpp")
    _check_size(cover, method)
    tensor = tensors.to_tensor(cover.pixels)
    natural = np.zeros(method.capacity(cover.height, cover.width), np.uint8)
    with _full_precision():
        for code in _codes(method, len(natural), len(data)):
            plan = payload.write(data, key, natural, code)
            stego, z = hide_with_z(plan.bits, tensor)
            file, picture = _encode(stego, cover, format)
            soft = method.reveal_with_z(tensors.to_tensor(picture.pixels), z)  # type: ignore[operator]
            if _reveals(soft, data, key, method):
                capacity = capacity_bytes(method, cover.height, cover.width)
                return Hidden(file, picture, capacity, code, _wrong(soft, plan), plan.coded_bits, z)
    raise CapacityError(0, len(data), "use a larger cover")


@torch.no_grad()
def reveal_bytes_with_z(stego: Picture, key: Key, z: np.ndarray, method: BitMethod) -> bytes:
    reveal_with_z = getattr(method, "reveal_with_z", None)
    if reveal_with_z is None:
        raise RevealError
    with _full_precision():
        return payload.read(reveal_with_z(tensors.to_tensor(stego.pixels), z), key, "direct")


# -- methods that make the stego for the secret


HELPS = {"size": "larger", "psnr": "lower"}
"""Options that help a secret through, if the method has them."""
LEAST_PSNR = 12.0
"""dB below which a picture that came back with loss counts as not revealed: what a wrong key gets (paper of glow2)."""


@dataclass(frozen=True)
class Made:
    """A verified stego of a PictureMethod: its file's bytes, and for each receiver what came back of the secret.

    payloads: bytes that travelled, None for a picture's latents. psnrs: of the picture, in dB, inf if nothing was lost,
    None for a file. cover_psnr: of the stego, None if it has no cover. number: under which its cover was drawn.
    """

    file: bytes
    picture: Picture
    capacity: int
    forms: tuple[str, ...]
    payloads: tuple[int | None, ...]
    psnrs: tuple[float | None, ...]
    survives: Channel
    draws: int  # how many it took
    notes: tuple[str, ...] = ()
    tokens: tuple[np.ndarray, ...] = ()
    cover_psnr: float | None = None
    number: int | None = None


@torch.no_grad()
def make(
    secrets: Sequence[Secret], keys: Sequence[Key], method: PictureMethod, wish: Wish,
    cover: Picture | None = None, format: str = "PNG", quality: int = image.JPEG_QUALITY,
) -> Made:  # fmt: skip
    """Secrets, one for each key -> a stego that reveals all of them. Raises CapacityError, FileError, UsageError.

    It reveals from the returned bytes, and from what `wish.survive` makes of them or, if it is to be robust, JPEG
    files of several qualities.
    """
    if not 1 <= len(keys) <= method.most_receivers:
        raise UsageError(f"{method.name} serves at most {method.most_receivers} receivers")
    if format == "JPEG" and (wish.survive.kind == "png" or wish.survive.strength > quality):
        wish = replace(wish, survive=Channel("jpeg", quality))
    draft: Draft | None = None
    with _full_precision():
        for draws, draft in enumerate(method.drafts(secrets, keys, wish, cover), 1):
            file = image.encode(Picture(draft.pixels), format, quality)
            received = _received(file, secrets, keys, draft, method, wish.drawn)
            on_its_way = _on_its_way(file, wish)
            if received and all(_received(f, secrets, keys, draft, method, wish.drawn) for f in on_its_way):
                return _made(file, draft, tuple(received), wish.survive, draws)
    raise _nothing_came_through(secrets, wish, method, draft)


def _nothing_came_through(
    secrets: Sequence[Secret], wish: Wish, method: PictureMethod, draft: Draft | None
) -> CapacityError:
    """What is known when no draft would do: the last one's capacity, which may well have been enough."""
    exact = draft.exact if draft else (None,) * len(secrets)
    need = max(len(s.data if e is None else e) for s, e in zip(secrets, exact, strict=True))
    capacity = max(0, draft.capacity if draft else method.room(wish, len(secrets)))
    ways = [] if wish.survive.kind == "png" else ["a milder --survive"]
    ways += [f"a {way} --{option}" for option, way in HELPS.items() if option in method.options]
    message = f"no stego came through {'any JPEG' if wish.robust else wish.survive}"
    if capacity:
        message += f": capacity {capacity} bytes, need {need} bytes"
    return CapacityError(capacity, need, f"use {' or '.join(ways)}" if ways else None, message)


@torch.no_grad()
def reveal_picture(
    stego: Picture, key: Key, method: PictureMethod, token: np.ndarray | None = None, drawn: Drawn = AS_USUAL
) -> Revealed:
    """Stego -> what it holds for that key. Raises RevealError."""
    if min(stego.height, stego.width) < method.min_side:
        raise RevealError
    with _full_precision():
        return method.reveal(stego, key, token, drawn)


def _on_its_way(file: bytes, wish: Wish) -> Iterator[bytes]:
    """The files that the channel makes of it, if it makes others."""
    pixels, survive = image.decode(file).pixels, wish.survive
    if wish.robust:
        yield from (image.encode(Picture(pixels), "JPEG", quality) for quality in ROBUST_QUALITIES)
    elif survive.kind == "jpeg":
        yield image.encode(Picture(pixels), "JPEG", round(survive.strength))
    elif survive.kind != "png":
        yield image.encode(Picture(survive(pixels, np.random.default_rng(0))))


def _received(
    file: bytes, secrets: Sequence[Secret], keys: Sequence[Key], draft: Draft, method: PictureMethod, drawn: Drawn
) -> list[float | None] | None:
    """What each receiver gets of a file -> the PSNR of pictures, None of files; or None if one does not get it."""
    arrived = image.decode(file, "stego")
    drawn = replace(drawn, number=draft.number)
    found: list[float | None] = []
    tokens = draft.tokens or (None,) * len(keys)
    for secret, key, exact, token in zip(secrets, keys, draft.exact, tokens, strict=True):
        try:
            revealed = method.reveal(arrived, key, token, drawn)
        except RevealError:
            return None
        psnr = None if revealed.picture is None else _likeness(secret, revealed.picture)
        if revealed.data != exact or (exact is None and (psnr is None or psnr < LEAST_PSNR)):
            return None
        found.append(psnr)
    return found


def _likeness(secret: Secret, back: Picture) -> float | None:
    """PSNR of a revealed picture, measured at the secret's size."""
    if secret.picture is None:
        return None
    truth = secret.picture.pixels
    return metrics.psnr(truth, image.resized(back.pixels, truth.shape[1], truth.shape[0]))


def _made(file: bytes, draft: Draft, psnrs: tuple[float | None, ...], survives: Channel, draws: int) -> Made:
    picture = image.decode(file)
    return Made(
        file,
        picture,
        draft.capacity,
        draft.forms,
        payloads=tuple(None if e is None else len(e) for e in draft.exact),
        psnrs=psnrs,
        survives=survives,
        draws=draws,
        notes=draft.notes,
        tokens=draft.tokens,
        cover_psnr=None if draft.cover is None else metrics.psnr(draft.cover, picture.pixels),
        number=draft.number,
    )


# -- what the user is told


def report_made(made: Made, keys: Sequence[Key]) -> dict[str, object]:
    """The figures of a stego that was made, under the names that `--json` prints: lists if there are several keys."""
    height, width = made.picture.height, made.picture.width
    psnrs = [_rounded(p) for p in made.psnrs]
    sizes = list(made.payloads)
    sent = [s for s in sizes if s is not None]
    single = len(keys) == 1
    return {
        "method": keys[0].method,
        "weights": keys[0].weights,
        "width": width,
        "height": height,
        "cover_psnr": _rounded(made.cover_psnr),
        "payload_bytes": sizes[0] if single else sizes,
        "capacity_bytes": made.capacity,
        "bpp": 8 * sum(sent) / (width * height) if sent else None,
        "secret_psnr": psnrs[0] if single else psnrs,
        "verified": True,
        "form": made.forms[0] if single else list(made.forms),
        "number": made.number,
    }


def report(hidden: Hidden, cover: Picture, data: bytes, key: Key) -> dict[str, object]:
    """The figures of a hidden message, under the names that `--json` prints."""
    return {
        "method": key.method,
        "weights": key.weights,
        "width": cover.width,
        "height": cover.height,
        "cover_psnr": _rounded(metrics.psnr(cover.pixels, hidden.picture.pixels)),
        "payload_bytes": len(data),
        "capacity_bytes": hidden.capacity,
        "bpp": 8 * len(data) / (cover.width * cover.height),
        "secret_psnr": None,
        "verified": True,
        "form": "bytes",
        "number": None,
    }


def _rounded(psnr: float | None) -> float | None:
    """JSON has no infinity."""
    return None if psnr is None or np.isinf(psnr) else round(psnr, 3)
