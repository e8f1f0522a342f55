"""The report of `stego inspect`: facts of a file, differences from an original, capacity as a cover."""

from __future__ import annotations

from typing import Any

from stegcli import methods, rooms
from stegcli.pictures import image, inspect


def inspected(data: bytes, original: bytes | None = None, what: str = "image", device: str = "auto") -> dict[str, Any]:
    """The bytes of a picture file, and perhaps of the file it was made from -> facts, ready for JSON.

    covers: for each method that hides in a given picture, the bytes that fit, or why none do. Raises FileError.
    """
    found = inspect.facts(data, what)
    cover = image.decode(data, what)
    given = [name for name in methods.names() if methods.about(name).cover == "given"]
    found["covers"] = [
        {"method": room.method, "survive": room.survive, "capacity_bytes": room.capacity, "why": room.why}
        for room in rooms.rooms(cover, names=given, device=device)
    ]
    if original is not None:
        found["differences"] = inspect.differences(data, original)
    return found
