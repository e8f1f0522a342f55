"""An uncompressed picture -> a JPEG file of it, and what rounding took away: the sender's side information.

Whoever has the picture before compression knows between which two values each coefficient lay. Changes go towards the
one that was rounded away, and are then much harder to detect. The picture must not be kept: beside it the stego shows.

Reference: Universal distortion function for steganography in an arbitrary domain (Holub, Fridrich, Denemark, 2014),
section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from stegcli.coding.jpeg_costs import cosines
from stegcli.errors import FileError
from stegcli.pictures import image, jpeg
from stegcli.pictures.image import Picture
from stegcli.pictures.jpeg import Component, Jpeg

# Rows: Y, Cb, Cr from R, G, B. Reference: JFIF 1.02.
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def compressed(picture: Picture, quality: int) -> tuple[Jpeg, list[np.ndarray]]:
    """Picture -> the JPEG that Pillow makes of it, and for each component what rounding took away from its blocks.

    The errors are in steps, float32 (rows, columns, 8, 8): true value minus what the file holds, within +-0.5 but for
    the encoder's own inaccuracy. Raises FileError for a picture with an alpha channel.
    """
    if picture.alpha is not None:
        raise FileError("JPEG cannot keep an alpha channel", "write .png")
    made = jpeg.read(image.encode(replace(picture, notes=()), "JPEG", quality), "output")
    planes = _planes(picture.pixels, len(made.components))
    largest = max(c.down for c in made.components), max(c.across for c in made.components)
    return made, [_errors(plane, component, largest) for plane, component in zip(planes, made.components, strict=True)]


def _planes(pixels: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """uint8 (h, w, 3) -> the planes that are compressed, float32 (h, w), mean about 0."""
    if count == 1:
        yield pixels[..., 0].astype(np.float32) - 128
        return
    for row, level in zip(_TO_YCC, (128, 0, 0), strict=True):
        yield pixels @ row - np.float32(level)


def _errors(plane: np.ndarray, component: Component, largest: tuple[int, int]) -> np.ndarray:
    down, across = largest[0] // component.down, largest[1] // component.across
    rows, columns = component.blocks.shape[:2]
    height, width = 8 * rows * down, 8 * columns * across
    edges = ((0, max(0, height - plane.shape[0])), (0, max(0, width - plane.shape[1])))
    padded = np.pad(plane, edges, mode="edge")[:height, :width]
    halved = padded.reshape(8 * rows, down, 8 * columns, across).mean(axis=(1, 3))
    blocks = halved.reshape(rows, 8, columns, 8).swapaxes(1, 2)
    basis = cosines().astype(np.float32)
    errors: np.ndarray = basis @ blocks @ basis.T / component.steps - component.blocks
    return errors.astype(np.float32)
