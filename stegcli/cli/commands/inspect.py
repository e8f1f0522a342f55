"""`stego inspect`: the facts about a picture file, and what it can carry as a cover."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from stegcli.cli.console import emit, table
from stegcli.cli.options import FILES, MAX_PIXELS, DeviceOption, JsonOption, MaxPixelsOption, command
from stegcli.cli.parameters import argument, option

EXAMPLES = """
Examples:

stego inspect photo.jpg

stego inspect out.png --cover scan.png --json
"""

FileArgument = Annotated[str, argument(help="A picture file; - is standard input.")]
OriginalOption = Annotated[
    str | None,
    option("--cover", help="The picture it was made from; show what differs.", panel=FILES),
]


@command(EXAMPLES)
def inspect(
    file: FileArgument,
    original: OriginalOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Show format, history and metadata of a picture, and what it can carry as a cover."""
    from stegcli import files
    from stegcli.cli.inputs import check_stdin
    from stegcli.inspection import inspected
    from stegcli.pictures import image

    check_stdin(file, original)
    with image.pixels_limited(max_pixels):
        data = files.read(file, "image", limit=image.most_bytes())
        before = None if original is None else files.read(original, "cover", limit=image.most_bytes())
        found = inspected(data, before, f"image {file}", device)
    if json:
        emit(found)
        return
    covers = found.pop("covers")
    table("file", ["what", "is"], list(_rows(found)))
    rows = [[c["method"], c["survive"], _room(c)] for c in covers]
    table("as a cover", ["method", "to survive", "carries"], rows)


def _room(cover: dict[str, Any]) -> str:
    return str(cover["why"]) if cover["capacity_bytes"] is None else f"{cover['capacity_bytes']} bytes"


def _rows(facts: dict[str, Any], above: str = "") -> Iterator[list[str]]:
    """Nested facts -> a row for each that is not empty."""
    for name, value in facts.items():
        label = f"{above}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _rows(value, f"{label}: ")
        elif isinstance(value, list | tuple):
            if value:
                yield [label, ", ".join(map(str, value))]
        elif value is not None and value is not False:
            yield [label, "yes" if value is True else str(value)]
