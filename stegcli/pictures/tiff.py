"""TIFF files: the structure of a file, and a writer that imitates it.

An attacker can recognise the encoder of a TIFF file by its byte order, its tags and their types, the compression and
predictor, strips or tiles and their sizes, and whether the directory stands before the pixels or behind. A stego whose
cover was a TIFF takes all of that from the cover's file. Tags that tell of the author, the camera or the program are
left out.

Reference: TIFF, Revision 6.0 (Adobe, 1992), sections 2, 7 to 9, 13 to 15; Adobe Photoshop TIFF Technical Notes (2002):
Deflate.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from stegcli.pictures import png

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL, ORIENTATION = 256, 257, 258, 259, 262, 266, 274
SAMPLES, STRIP_ROWS, PLANES, PREDICTOR, EXTRA, FORMAT, PROFILE = 277, 278, 284, 317, 338, 339, 34675
STRIPS, TILES = (273, 279), (324, 325)  # offsets, byte counts
TILE_WIDTH, TILE_HEIGHT = 322, 323
KEPT = frozenset({
    254, 255, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL, ORIENTATION, *STRIPS, SAMPLES, STRIP_ROWS, 282, 283,
    PLANES, 296, 297, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, *TILES, EXTRA, FORMAT, PROFILE,
})  # fmt: skip
"""Tags that describe the pixels and their layout, the resolution and the page."""
LETTERS = {1: "B", 2: "c", 3: "H", 4: "L", 5: "LL", 7: "c"}
"""Types of values in these tags -> their letters for `struct`."""
SHORT, LONG, UNDEFINED = 3, 4, 7
NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
BY_LIBTIFF = {LZW: "tiff_lzw", PACKBITS: "packbits"}
USUAL = {COMPRESSION: NONE, FILL: 1, ORIENTATION: 1, PLANES: 1, PREDICTOR: 1, FORMAT: 1}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
STRAIGHT_ALPHA = 2
ALIGNED = 16  # bytes; some encoders place the pixels so

Values = tuple[int, ...]


@dataclass(frozen=True)
class Style:
    """Structure of a file. order: "<" or ">". types, values: of its tags, those of KEPT only, by tag.

    behind: tags whose values have no room in the directory, in the order in which these lie in the file.
    ahead: whether the directory comes before the pixels. aligned: whether these then begin at a multiple of ALIGNED.
    level: of Deflate.
    """

    order: str
    types: Mapping[int, int]
    values: Mapping[int, Values]
    behind: tuple[int, ...]
    ahead: bool
    aligned: bool
    level: int

    def one(self, tag: int) -> int:
        return self.values.get(tag, (USUAL.get(tag, 0),))[0]

    @property
    def tiled(self) -> bool:
        return TILE_WIDTH in self.values

    @property
    def places(self) -> tuple[int, int]:
        """The tags of offsets and of byte counts."""
        return TILES if self.tiled else STRIPS


def style(data: bytes) -> Style | None:
    """The bytes of a TIFF file -> the structure of its first picture; None for kinds that `write` cannot write."""
    try:
        return _style(data)
    except (struct.error, LookupError, ValueError):
        return None


def _style(data: bytes) -> Style | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}[data[:4]]
    (directory,) = struct.unpack_from(order + "L", data, 4)
    found = dict(_entries(data, order, directory))
    types = {tag: entry.type for tag, entry in found.items()}
    values = {tag: entry.values for tag, entry in found.items()}
    behind = tuple(sorted((tag for tag in found if found[tag].place), key=lambda tag: found[tag].place))
    offsets = values[TILES[0] if TILE_WIDTH in values else STRIPS[0]]
    first = data[offsets[0] :][:2]
    level = png.level_of(first) if values.get(COMPRESSION) in ((DEFLATE,), (OLD_DEFLATE,)) else 0
    made = Style(order, types, values, behind, directory < offsets[0], offsets[0] % ALIGNED == 0, level)
    return made if _can_be_written(made) else None


@dataclass(frozen=True)
class _Entry:
    """A tag's type and values. place: where these begin, 0 in the directory itself."""

    type: int
    values: Values
    place: int


def _entries(data: bytes, order: str, directory: int) -> Iterator[tuple[int, _Entry]]:
    """The tags of a directory that are kept, and what they say."""
    (count,) = struct.unpack_from(order + "H", data, directory)
    for index in range(count):
        place = directory + 2 + 12 * index
        tag, kind, length = struct.unpack_from(order + "HHL", data, place)
        if tag not in KEPT:
            continue
        letters = LETTERS[kind]
        elsewhere = 0
        if length * struct.calcsize("<" + letters) > 4:
            (elsewhere,) = struct.unpack_from(order + "L", data, place + 8)
        if length > len(data):
            raise ValueError("a tag is longer than its file")
        yield tag, _Entry(kind, _unpacked(data, order, kind, length, elsewhere or place + 8), elsewhere)


def _unpacked(data: bytes, order: str, kind: int, length: int, place: int) -> Values:
    letters = LETTERS[kind]
    if letters == "c":
        return tuple(data[place : place + length])
    return struct.unpack_from(f"{order}{length * len(letters)}{letters[0]}", data, place)


def _can_be_written(style: Style) -> bool:
    """Whether it holds whole samples of 8 or 16 bits, grey or RGB, perhaps with alpha, in a known compression."""
    values, colours = style.values, {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}.get(style.one(PHOTOMETRIC))
    extra, samples = values.get(EXTRA, ()), values.get(SAMPLES, (1,))[0]
    return (
        colours is not None
        and extra in ((), (STRAIGHT_ALPHA,))
        and samples == colours + len(extra)
        and values[BITS] in ((8,) * samples, (16,) * samples)
        and values.get(FORMAT, (1,) * samples) == (1,) * samples
        and style.one(COMPRESSION) in (NONE, DEFLATE, OLD_DEFLATE, *BY_LIBTIFF)
        and style.one(PREDICTOR) in (1, 2)
        and style.one(PLANES) in (1, 2)
        and style.one(FILL) == style.one(ORIENTATION) == 1
    )


def write(samples: np.ndarray, style: Style, profile: bytes | None) -> bytes | None:
    """uint8 (h, w, 1..4): grey, grey and alpha, RGB, RGBA -> the bytes of a TIFF file of this structure.

    None if the structure is of a file of another size or other channels.
    """
    height, width, channels = samples.shape
    if (style.one(HEIGHT), style.one(WIDTH), style.values.get(SAMPLES, (1,))[0]) != (height, width, channels):
        return None
    if style.one(PHOTOMETRIC) == WHITE_IS_ZERO:
        samples = np.concatenate([255 - samples[..., :1], samples[..., 1:]], axis=2)
    blocks = [_packed(block, style) for block in _blocks(samples, style)]
    sizes = [len(block) for block in blocks]
    types, values = dict(style.types), dict(style.values)
    values[BITS] = (8,) * channels
    values.pop(PROFILE, None)
    if profile:
        types[PROFILE], values[PROFILE] = UNDEFINED, tuple(profile)
    offsets, counts = style.places
    for tag in style.places:
        types[tag] = LONG if types.get(tag) != SHORT or max(sizes) > 0xFFFF or tag == offsets else SHORT
    values[counts] = tuple(sizes)
    values[offsets] = (0,) * len(sizes)
    start, place = 8, 8 + sum(sizes) + sum(sizes) % 2
    if style.ahead:
        end, place = 8 + len(_directory(style, types, values, 8)), 8
        start = -(-end // ALIGNED) * ALIGNED if style.aligned else end + end % 2
    values[offsets] = tuple(itertools.accumulate(sizes[:-1], initial=start))
    directory = _directory(style, types, values, place)
    head = (b"II*\0" if style.order == "<" else b"MM\0*") + struct.pack(style.order + "L", place)
    if style.ahead:
        return (head + directory).ljust(start, b"\0") + b"".join(blocks)
    return (head + b"".join(blocks)).ljust(place, b"\0") + directory


def _directory(style: Style, types: Mapping[int, int], values: Mapping[int, Values], place: int) -> bytes:
    """Tags and where the directory will stand -> the directory, and behind it the values that it has no room for."""
    contents = {tag: _content(style.order, types[tag], values[tag]) for tag in sorted(values)}
    large = [tag for tag in contents if len(contents[tag]) > 4]
    behind, wheres = bytearray(), {}
    for tag in sorted(large, key=lambda t: style.behind.index(t) if t in style.behind else len(style.behind)):
        wheres[tag] = place + 2 + 12 * len(values) + 4 + len(behind)
        behind += contents[tag] + b"\0" * (len(contents[tag]) % 2)
    rows = []
    for tag, content in contents.items():
        where = struct.pack(style.order + "L", wheres[tag]) if tag in wheres else content.ljust(4, b"\0")
        length = len(values[tag]) // len(LETTERS[types[tag]])
        rows.append(struct.pack(style.order + "HHL", tag, types[tag], length) + where)
    return struct.pack(style.order + "H", len(rows)) + b"".join(rows) + bytes(4) + bytes(behind)


def _content(order: str, kind: int, values: Values) -> bytes:
    letter = LETTERS[kind][0]
    return bytes(values) if letter == "c" else struct.pack(f"{order}{len(values)}{letter}", *values)


def _blocks(samples: np.ndarray, style: Style) -> Iterator[np.ndarray]:
    """Samples -> the strips or tiles in the order of the file; tiles are filled up with zeros."""
    planes: Iterable[np.ndarray] = (samples,)
    if style.one(PLANES) == 2:
        planes = (samples[..., i : i + 1] for i in range(samples.shape[2]))
    height, width = samples.shape[:2]
    rows, columns = min(style.values.get(STRIP_ROWS, (height,))[0], height) or height, width
    if style.tiled:
        rows, columns = style.one(TILE_HEIGHT), style.one(TILE_WIDTH)
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                block = plane[top : top + rows, left : left + columns]
                if style.tiled:
                    missing = ((0, rows - block.shape[0]), (0, columns - block.shape[1]), (0, 0))
                    block = np.pad(block, missing)
                yield block


def _packed(block: np.ndarray, style: Style) -> bytes:
    """A strip or tile, uint8 (h, w, c) -> its bytes, compressed."""
    compression = style.one(COMPRESSION)
    predicted = style.one(PREDICTOR) == 2
    if compression in BY_LIBTIFF:
        return _packed_by_libtiff(block, BY_LIBTIFF[compression], predicted)
    if compression == NONE:
        return block.tobytes()
    if predicted:
        block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))  # modulo 256
    return zlib.compress(block.tobytes(), style.level)


def _packed_by_libtiff(block: np.ndarray, name: str, predicted: bool) -> bytes:
    buffer = io.BytesIO()
    array = np.ascontiguousarray(block[..., 0] if block.shape[2] == 1 else block)
    info = {PREDICTOR: 2} if predicted else {}
    Pillow.fromarray(array).save(buffer, "TIFF", compression=name, tiffinfo=info, strip_size=block.nbytes)
    file = buffer.getvalue()
    (directory,) = struct.unpack_from("<L", file, 4)
    found = dict(_entries(file, "<", directory))
    (start,), (size,) = (found[tag].values for tag in STRIPS)
    return file[start : start + size]
