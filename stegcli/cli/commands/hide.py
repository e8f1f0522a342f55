"""`stego hide`: hide secrets in a stego."""

from __future__ import annotations

import os
from typing import Annotated

from stegcli import methods
from stegcli.cli.options import (
    FILES,
    KEYS,
    MAX_PIXELS,
    OUTPUT,
    ClusterOption,
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonOption,
    MaxPixelsOption,
    MethodOption,
    QuietOption,
    RobustOption,
    SurviveOption,
    WeightsOption,
    command,
    parsed,
    survive_text,
)
from stegcli.cli.parameters import argument, option
from stegcli.options import JPEG_QUALITY

EXAMPLES = """
Examples:

stego hide report.pdf --cover scan.png -o out.png

stego hide photo.jpg --survive jpeg:80 -o drawn.png

stego hide *.pdf --cover scans/ --key key.npy -o stegos/ --jobs 2
"""

SecretArgument = Annotated[list[str] | None, argument(help="The file to hide; - is standard input. Several: a batch.")]
CoverOption = Annotated[
    str | None,
    option(help="The picture to hide in; - is standard input. In a batch a folder of them.", panel=FILES),
]
KeysOption = Annotated[
    list[str] | None,
    option(
        help="The key file; by default the one in STEGO_KEY, or else a fresh key, written beside the output.",
        panel=KEYS,
    ),
]
KeyDirOption = Annotated[
    str | None,
    option(
        help="Folder for fresh keys; by default STEGO_KEY_DIR, or else that of the output. It is made if missing.",
        panel=KEYS,
    ),
]
SecretOption = Annotated[
    list[str] | None,
    option("--secret", help="Several receivers of one stego: a secret; repeat, with a --key each.", panel=KEYS),
]
StegoOption = Annotated[
    str | None,
    option(
        "-o", "--output", panel=FILES,
        help="Output file, or folder for a batch; - is standard output. The name says the format. Where it says none, "
        "a JPEG cover stays JPEG, and drawn pictures become JPEG or PNG, as suits the method (PNG with --survive png).",
    ),
]  # fmt: skip
QualityOption = Annotated[
    int | None,
    option(min=1, max=100, help=f"Quality of a JPEG output; {JPEG_QUALITY} by default.", panel=OUTPUT),
]
DryRunOption = Annotated[bool, option("--dry-run", help="Hide nothing; show how much would fit.", panel=OUTPUT)]


@command(EXAMPLES)
def hide(
    asked: dict[str, str | bool],
    facets: dict[str, str],
    secret: SecretArgument = None,
    cover: CoverOption = None,
    output: StegoOption = None,
    key: KeysOption = None,
    key_dir: KeyDirOption = None,
    receivers: SecretOption = None,
    method: MethodOption = None,
    named: WeightsOption = None,
    survive: SurviveOption = None,
    robust: RobustOption = False,
    quality: QualityOption = None,
    dry_run: DryRunOption = False,
    workers: JobsOption = 1,
    cluster: ClusterOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    device: DeviceOption = "auto",
) -> int:
    """Hide a file in a picture. The stego is written only after the file was revealed from it again."""
    if not key and method is not None:  # report a wrong option before anything is loaded
        parsed("hide", method, asked)
    elif not key and not os.environ.get("STEGO_KEY"):
        parsed("hide", methods.default(bool(cover), survive_text(survive, robust)), asked)
    from stegcli.cli import hiding
    from stegcli.pictures import image

    with image.pixels_limited(max_pixels):
        plan = hiding.planned(
            secret, receivers, key, key_dir, cover, output, method, asked, facets, named, survive, robust, quality
        )
        if dry_run:
            hiding.tell_capacity(plan, json, device)
            return 0
        return hiding.hide(plan, output, force, workers, json, quiet, device, cluster)
