"""JPEG covers and stegos: hidden in the coefficients, never in the pixels; and covers that were a JPEG, refused.

cover.jpg                  -o out.jpg   the cover's own coefficients, all else as it was
a picture never compressed -o out.jpg   compressed here, changes led by what rounding took away
cover.jpg or made from one -o out.png   refused: each changed pixel may show (see `stegcli.pictures.lattice`)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stegcli.errors import FileError, RevealError
from stegcli.keys.key import Key
from stegcli.method import Draft, Method, Request, check_side
from stegcli.methods.lossless_inn import jpeg_hiding, precover
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.pictures import image, jpeg, lattice
from stegcli.pictures.image import Picture
from stegcli.pictures.jpeg import Jpeg, MissingLibraryError

WHOLE = "whatever is hidden in its pixels can be detected with certainty"
FEW_COLOURS = 256
"""Of a palette. Grey levels do not count."""
UNSAFE = "or --unsafe-cover, if nobody will look"


@dataclass(frozen=True)
class Prepared:
    """A cover as JPEG. errors: what rounding took away, if it was compressed here. notes: for the user."""

    cover: Jpeg
    errors: list[np.ndarray] | None = None
    notes: tuple[str, ...] = ()


def is_asked_for(request: Request) -> bool:
    """Whether the message goes into coefficients. A JPEG cover whose output is not known yet counts as asked for."""
    if request.format == "JPEG":
        return True
    return request.cover is not None and request.cover.source is not None and not request.options.unsafe_cover


def prepared(request: Request) -> Prepared:
    """Cover of any kind -> the JPEG to hide in. Raises FileError."""
    picture = request.cover
    assert picture is not None
    if picture.source is not None:
        cover, notes = jpeg.read(picture.source, "cover"), []
        if request.quality != image.JPEG_QUALITY:
            notes.append("a JPEG cover keeps its own quality")
        return Prepared(cover, None, tuple(notes))
    made, errors = precover.compressed(picture, request.quality)
    notes = ["destroy the cover: whoever has it and the stego can tell that something is hidden"]
    if picture.lossy or lattice.examine(picture.pixels).history == "jpeg":
        before = _kind(picture) if picture.lossy else "a JPEG before"
        notes.append(f"the cover was {before}: compressed twice, it hides less well than the original would")
    return Prepared(made, errors, tuple(notes))


def capacity(request: Request) -> int:
    """The most bytes within the limit. Raises FileError."""
    if request.cover is None:
        return 0
    cover = prepared(request).cover
    jpeg_hiding.check_quality(cover)
    return jpeg_hiding.capacity(cover, request.options.payload_limit)


def drafts(request: Request, method: Method) -> Iterator[Draft]:
    """-> the one stego. Raises CapacityError, FileError."""
    (secret,), (key,), picture, options = request.secrets, request.keys, request.cover, request.options
    assert picture is not None
    assert isinstance(options, HideOptions)
    if request.format != "JPEG":
        raise _refusal(picture)
    check_side(method, picture)
    ready = prepared(request)
    changed = jpeg_hiding.hide(secret.data, key, ready.cover, options.costs, options.payload_limit, ready.errors)
    written = jpeg.write(ready.cover, changed.blocks, options.keep_metadata)
    room = jpeg_hiding.capacity(ready.cover, options.payload_limit)
    before = picture if ready.errors is None else image.decode(ready.cover.file, "cover")
    yield Draft(
        image.decode(written.file, "stego"), (secret.data,), ("bytes",), room, (*ready.notes, *written.notes),
        cover=before, measured={"code": 0, "wrong_bits": 0.0, "coded_bits": changed.coded_bits}, file=written.file,
    )  # fmt: skip


def reveal(source: bytes, key: Key) -> bytes:
    """The bytes of a JPEG file -> data. Raises RevealError, and FileError where pyjpegio is not installed."""
    try:
        stego = jpeg.read(source, "stego")
    except MissingLibraryError:
        raise
    except FileError as error:
        raise RevealError from error
    return jpeg_hiding.reveal(stego, key)


# -- pixels that came from a JPEG


def check_pixels(cover: Picture, options: HideOptions) -> tuple[str, ...]:
    """Whether one may hide in a cover's pixels -> what is to be said of it. Raises FileError."""
    was_jpeg = cover.lossy or lattice.examine(cover.pixels).history in ("jpeg", "mixed")
    colours = FEW_COLOURS + 1 if was_jpeg else lattice.count_coloured(cover.pixels)
    if not was_jpeg and not 0 < colours <= FEW_COLOURS:
        return ()
    if options.unsafe_cover:
        few = f"the cover has {colours} colours, the stego has more"
        return (f"warning: the cover was {_kind(cover)}: {WHOLE}" if was_jpeg else f"warning: {few}",)
    if was_jpeg:
        raise _refusal(cover)
    raise FileError(
        f"cover has only {colours} colours: every changed pixel would add one, which is seen at once",
        f"use a photo; {UNSAFE}",
    )


def _kind(cover: Picture) -> str:
    return f"a lossy {cover.format} file" if cover.lossy and cover.source is None else "a JPEG"


def _refusal(cover: Picture) -> FileError:
    if cover.source is not None:
        return FileError(f"cover is a JPEG: {WHOLE}", f"write -o OUT.jpg, which changes the JPEG's own data; {UNSAFE}")
    if cover.lossy:
        return FileError(
            f"cover is {_kind(cover)}: {WHOLE}",
            f"use a picture that was never compressed with loss at this size, or a smaller copy; {UNSAFE}",
        )
    found = lattice.examine(cover.pixels)
    if found.history == "jpeg":
        return FileError(
            f"cover was a JPEG before: {WHOLE}", f"use the original JPEG and -o OUT.jpg, or a smaller copy; {UNSAFE}"
        )
    share = f"{100 - 100 * found.off_coloured:.1f} %"
    return FileError(
        f"{share} of the cover's coloured pixels are what a JPEG decoder makes: what is hidden there can be detected",
        f"use a picture that was never a JPEG at this size, or a smaller copy; {UNSAFE}",
    )
