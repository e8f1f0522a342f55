"""Sound files from which damaged ones are made: pictures of every format and kind, keys, weights."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pictures() -> list[bytes]:
    """Small files, so that many fit into a second: of each format, of each mode, with metadata."""
    y, x = np.mgrid[:24, :20]
    drawn = np.stack([x * 12, y * 10, (x * y) % 256], axis=2).astype(np.uint8)
    colour = Pillow.fromarray(drawn)
    alpha = Pillow.fromarray(np.dstack([drawn, drawn[..., :1]]))
    grey = colour.convert("L")
    deep = Pillow.fromarray((x * 3000).astype(np.uint16))
    floats = Pillow.fromarray((x / 7).astype(np.float32))
    lab = Pillow.frombytes("LAB", colour.size, drawn.tobytes())
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, "drawn"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = {"exif": exif, "icc_profile": profile}
    palette = colour.quantize(16)
    frames = {"save_all": True, "append_images": [palette, colour]}
    made = [
        _saved(colour, "PNG"), _saved(colour, "PNG", **said), _saved(alpha, "PNG"), _saved(grey, "PNG", transparency=5),
        _saved(palette, "PNG", transparency=3), _saved(palette, "PNG"), _saved(deep, "PNG"),
        _saved(grey.convert("1"), "PNG"), _saved(colour, "PNG", save_all=True, append_images=[colour]),
        _saved(colour, "JPEG", **said), _saved(colour, "JPEG", progressive=True), _saved(grey, "JPEG"),
        _saved(colour.convert("CMYK"), "JPEG"), _saved(colour, "MPO", save_all=True, append_images=[grey]),
        _saved(colour, "WEBP", lossless=True, **said), _saved(alpha, "WEBP"), _saved(colour, "WEBP", **frames),
        _saved(colour, "TIFF", **said), _saved(deep, "TIFF"), _saved(floats, "TIFF"), _saved(lab, "TIFF"),
        _saved(colour, "TIFF", compression="tiff_lzw"),
        _saved(colour.convert("CMYK"), "TIFF", compression="tiff_deflate"),
        _saved(colour, "TIFF", save_all=True, append_images=[grey.copy()]),
        _saved(colour, "BMP"), _saved(palette, "BMP"), _saved(alpha, "BMP"), _saved(grey.convert("1"), "BMP"),
        _saved(palette, "GIF"), _saved(palette, "GIF", **frames), _saved(colour, "PPM"), _saved(grey, "PPM"),
        _saved(floats, "PPM"), b"P3 2 2 9\n" + b"1 2 3 " * 4, _saved(colour, "AVIF"), _saved(alpha, "AVIF", **said),
    ]  # fmt: skip
    chunks = {b"gAMA": struct.pack(">I", 55555), b"cHRM": struct.pack(">8I", *range(30000, 38000, 1000)),
              b"cICP": bytes([12, 13, 0, 1]), b"pHYs": bytes(9), b"eXIf": exif.tobytes()[6:]}  # fmt: skip
    extra = b"".join(_chunk(name, content) for name, content in chunks.items())
    return [*made, made[0][:33] + extra + made[0][33:]]


def _saved(picture: Pillow.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.copy().save(buffer, format, **options)  # Pillow keeps options of one save for the next
    return buffer.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def mended(data: bytes) -> bytes:
    """A damaged file -> the same with checksums and lengths that fit again, so that the damage goes deeper."""
    if data[8:9] == b"{":  # weights
        return struct.pack("<Q", max(0, data.rfind(b"}") - 7)) + data[8:]
    return _with_right_checksums(data) if data.startswith(SIGNATURE) else data


def _with_right_checksums(data: bytes) -> bytes:
    place, parts = len(SIGNATURE), [SIGNATURE]
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if place + 12 + size > len(data):
            break
        parts.append(_chunk(data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return b"".join([*parts, data[place:]])


def keys() -> list[bytes]:
    from stegcli.keys import key, tokens

    secret = bytes(range(32))
    made = [
        key.Key("lossless-inn", "coset", secret),
        key.Key("glow2", "textures", secret, salt=bytes(16)),
        key.Key("cs-fnns", "default", secret, group=bytes(16)),
    ]
    return [*(k.to_bytes() for k in made), tokens.to_bytes(made[0], np.ones((3, 4, 5), np.float32))]


def weights_files() -> list[bytes]:
    import torch

    from stegcli import weights

    tensors = {"a.weight": torch.ones(3, 4), "b.bias": torch.zeros(2, dtype=torch.int8)}
    return [
        weights.pack("glow2", {"depth": 3, "names": ["a", "b"]}, tensors, {"steps": 7}),
        weights.pack("riis", {}, {}, {}),
    ]
