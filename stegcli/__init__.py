"""stego: steganography of files in pictures, on PyTorch. The Python API: `hide`, `reveal`, `keygen`, `capacity`.

>>> import stegcli, skimage.data
>>> from PIL import Image
>>> photo = Image.fromarray(skimage.data.astronaut()[:96, :96])
>>> hidden = stegcli.hide(b"attack at dawn", photo)
>>> stegcli.reveal(hidden.file, hidden.keys[0]).data
b'attack at dawn'

Pictures may be paths, the bytes of a file, or PIL images; keys may be paths or `Key` objects. Every error is a
`stegcli.errors.StegoError` with a message and sometimes a hint. Importing this module loads no other module of stego.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stegcli.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image

    from stegcli.keys.key import Key
    from stegcli.python import Found, Stego
    from stegcli.rooms import Room

    Source = str | os.PathLike[str] | bytes | Image
    KeySource = str | os.PathLike[str] | Key

__all__ = ["__version__", "capacity", "hide", "keygen", "reveal"]


def hide(
    secret: Source | Sequence[Source],
    cover: Source | None = None,
    *,
    key: KeySource | Sequence[KeySource] | None = None,
    method: str | None = None,
    weights: str | None = None,
    survive: str | None = None,
    format: str | None = None,
    quality: int = 90,
    device: str = "auto",
    **options: object,
) -> Stego:
    """Secret, and a cover for methods that take one -> a verified stego.

    secret: a path, bytes or a PIL image; a list of these for several secrets or receivers of one stego.
    cover: the picture to hide in, for methods that take one.
    key: one key, or one for each secret; by default fresh keys are made (`Stego.keys`).
    method: by default the key's; without a key glow2 if there is no cover, else lossless-inn, or riis if the stego
    must survive more than a lossless file.
    survive: png (the default), jpeg:Q, jpeg:A..B or noise:S.
    format, quality: of the stego's file; Pillow's names. By default JPEG for methods that draw their own covers and
    prefer it (glow2), unless survive is "png"; else PNG.
    options: the method's own options, named as on the command line with `_` for `-`.
    Raises UsageError, FileError, CapacityError, WeightsError.

    >>> stego = stegcli.hide(b"dawn", method="glow2", survive="jpeg:80", size=(128, 128))
    >>> stego.picture.size, stego.capacity
    ((128, 128), 1576)
    """
    from stegcli import python

    return python.hide(secret, cover, key, method, weights, survive, format, quality, device, options)


def reveal(
    stego: Source,
    key: KeySource | None = None,
    *,
    method: str | None = None,
    weights: str | None = None,
    device: str = "auto",
    **options: object,
) -> Found:
    """Stego and key -> its secret; if one key reveals several, the first of them, with the rest in `Found.others`.

    method: needed for methods without keys. options: the method's own options, named as for `hide`.
    Raises RevealError if nothing can be revealed, UsageError, FileError, WeightsError.
    """
    from stegcli import python

    return python.reveal(stego, key, method, weights, device, options)


def keygen(method: str = "lossless-inn", *, weights: str | None = None, **facets: str) -> Key:
    """A fresh key for a method. facets: options that choose the weights, such as coder="network".
    `Key.save` writes the key to a file.

    >>> stegcli.keygen("glow2", domain="landscapes").weights
    'landscapes-2'
    """
    from stegcli import python

    return python.keygen(method, weights, facets)


def capacity(
    cover: Source | None = None,
    *,
    size: tuple[int, int] | None = None,
    method: str | None = None,
    survive: str | None = None,
    device: str = "auto",
) -> list[Room]:
    """How many bytes a cover, or a generated stego of a given size, can carry, for each method and channel.

    >>> [(room.method, room.capacity) for room in stegcli.capacity(photo, method="lossless-inn")]
    [('lossless-inn', 3407)]
    """
    from stegcli import python

    return python.capacity(cover, size, method, survive, device)
