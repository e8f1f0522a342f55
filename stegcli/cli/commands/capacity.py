"""`stego capacity`: how many bytes a picture can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from stegcli import methods, options
from stegcli.cli.console import emit, table
from stegcli.cli.options import (
    MAX_PIXELS,
    DeviceOption,
    JsonOption,
    MaxPixelsOption,
    MethodOption,
    RobustOption,
    SurviveOption,
    command,
    survive_text,
)
from stegcli.cli.parameters import argument, option
from stegcli.errors import UsageError

if TYPE_CHECKING:
    from stegcli.rooms import Room

EXAMPLES = """
Examples:

stego capacity scan.png

stego capacity --size 256x256 --survive jpeg:80
"""

CoverArgument = Annotated[
    str | None, argument(help="The picture to hide in; - is standard input. Leave it out for generated pictures.")
]
SizeOption = Annotated[str | None, option(help="WxH of a generated stego.")]


@command(EXAMPLES)
def capacity(
    cover: CoverArgument = None,
    size: SizeOption = None,
    method: MethodOption = None,
    survive: SurviveOption = None,
    robust: RobustOption = False,
    json: JsonOption = False,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    device: DeviceOption = "auto",
) -> None:
    """Show how many bytes a picture can carry, for each method and channel."""
    if cover is not None and size is not None:
        raise UsageError("a cover has its own size", "leave --size out")
    if method is not None:
        _check_fits(method, cover)
    from stegcli.pictures import image
    from stegcli.pictures.channel import parse_survive
    from stegcli.rooms import rooms

    text = survive_text(survive, robust) if survive or robust else None
    if text is not None:
        parse_survive(text)
    sides = None if size is None else options.parse_size(size)
    with image.pixels_limited(max_pixels):
        picture = None if cover is None else image.load(cover, "cover")
    found = list(rooms(picture, sides, None if method is None else [method], text, device))
    if json:
        emit({"rooms": [_record(r) for r in found]})
    else:
        table("capacity", ["method", "size", "survives", "bytes", "bits per pixel"], [_row(r) for r in found])


def _check_fits(method: str, cover: str | None) -> None:
    given = methods.about(method).cover == "given"
    if given and cover is None:
        raise UsageError(f"{method} hides in a picture of yours", f"stego capacity COVER --method {method}")
    if not given and cover is not None:
        raise UsageError(f"{method} makes its own picture", f"stego capacity --size WxH --method {method}")


def _record(room: Room) -> dict[str, Any]:
    return {
        "method": room.method, "survive": room.survive, "width": room.width, "height": room.height,
        "capacity_bytes": room.capacity, "bpp": room.bpp, "error": room.why,
    }  # fmt: skip


def _row(room: Room) -> list[str]:
    size = "" if room.width is None else f"{room.width}x{room.height}"
    if room.capacity is None:
        return [room.method, size, room.survive, room.why or "", ""]
    return [room.method, size, room.survive, str(room.capacity), "" if room.bpp is None else f"{room.bpp:.3f}"]
