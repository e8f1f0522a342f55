"""`stego reveal`: get the secrets back from a stego."""

from __future__ import annotations

from typing import Annotated

from stegcli.cli.options import (
    KEYS,
    MAX_PIXELS,
    ClusterOption,
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonOption,
    MaxPixelsOption,
    MethodOption,
    OutOption,
    QuietOption,
    WeightsOption,
    command,
    parsed,
)
from stegcli.cli.parameters import argument, option

EXAMPLES = """
Examples:

stego reveal out.png --key out.key.npy -o back.pdf

cat out.png | stego reveal --key key.npy > letter.txt

stego reveal stegos/*.png --key key.npy -o back/ --jobs 2
"""

StegoArgument = Annotated[
    list[str] | None, argument(help="The stego; - or no name is standard input. Several: a batch.")
]
KeyOption = Annotated[str | None, option(help="The key file; by default the one in STEGO_KEY.", panel=KEYS)]


@command(EXAMPLES)
def reveal(
    asked: dict[str, str | bool],
    stego: StegoArgument = None,
    key: KeyOption = None,
    output: OutOption = None,
    method: MethodOption = None,
    named: WeightsOption = None,
    workers: JobsOption = 1,
    cluster: ClusterOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    device: DeviceOption = "auto",
) -> int:
    """Get the hidden file back. Without -o it goes to standard output."""
    if method is not None:  # report a wrong option before anything is loaded
        parsed("reveal", method, asked)
    from stegcli.cli import revealing
    from stegcli.pictures import image

    with image.pixels_limited(max_pixels):
        return revealing.reveal(stego, key, output, method, asked, named, workers, json, quiet, force, device, cluster)
