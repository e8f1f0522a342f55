"""`stego evaluate`: measure a method on the user's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from stegcli import methods, options
from stegcli.about import About
from stegcli.cli import complete
from stegcli.cli.console import bar, emit
from stegcli.cli.options import (
    ClusterOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    QuietOption,
    SeedOption,
    check_facets,
    command,
    parsed,
)
from stegcli.cli.parameters import argument, option
from stegcli.errors import UsageError

EXAMPLES = """
Examples:

stego evaluate lossless-inn --covers photos/ --limit 8

stego evaluate glow2 --secrets photos/ --attack jpeg:80 --limit 16

stego evaluate riis --secrets photos/ --attack jpeg:95..30 --attack webp:80 --limit 4

stego evaluate lossless-inn --covers photos/ --detect --payload 0.4 --cache kept/
"""

EvaluateArgument = Annotated[str, argument(help="The method to measure.", complete=complete.method_names)]
CoversOption = Annotated[Path | None, option(help="Folder of covers, for a method that hides bytes in them.")]
SecretsOption = Annotated[
    Path | None,
    option(help="Folder of pictures to hide, for a method that carries pictures; made square and small first."),
]
SeveralWeightsOption = Annotated[
    list[str] | None,
    option("--weights", help="Weights to measure; repeat for several. All bundled ones by default."),
]
PayloadOption = Annotated[
    list[float] | None, option(help="Payload in bits per pixel; repeat. 0.1, 1 and the capacity by default.")
]
AttackOption = Annotated[
    list[str] | None,
    option(
        help="Distortion of the stego: jpeg:Q, webp:Q, noise:S, blur:S, resize:F, crop:N, fit:N (longest side) or "
        "social:FILE.toml (a chain). A range, such as jpeg:95..30 or noise:1..20/2, shows where the method breaks. "
        "Repeat. With --secrets jpeg:90, 80 and 40 by default.",
        complete=complete.channels,
    ),
]
MadeForOption = Annotated[
    str | None,
    option(
        "--survive", complete=complete.channels,
        help="With ranges: the channel that every stego is made for. By default each step, where the method can.",
    ),
]  # fmt: skip
ReportOption = Annotated[
    Path | None,
    option(
        help="Folder: also write the page METHOD.html there, with tables, charts and pictures. It needs matplotlib."
    ),
]
LimitOption = Annotated[int | None, option(min=1, help="Use at most this many covers or secrets.")]
SizeOption = Annotated[
    str | None, option(help="WxH: crop the covers to this size first; with --secrets the size of the stegos.")
]
DETECTION = "Detection"
DetectOption = Annotated[
    bool,
    option(
        help="Measure how well detectors tell stegos from covers, or from innocent draws, beside other schemes. "
        "--attack then names the channels that stegos are made for.",
        panel=DETECTION,
    ),
]
LeakedOption = Annotated[
    list[int] | None,
    option(min=2, help="Also tell what a detector finds that has learnt from so many stegos; repeat.", panel=DETECTION),
]
CacheOption = Annotated[
    Path | None,
    option(help="Folder that keeps pairs and networks, so that a run goes on where it stopped.", panel=DETECTION),
]
CnnOption = Annotated[
    int | None,
    option(
        "--cnn", min=0, help="Epochs that the CNN is taught for each scheme and payload; 0 for no CNN.",
        show_default="4", panel=DETECTION,
    ),
]  # fmt: skip


@command(EXAMPLES)
def evaluate(
    method: EvaluateArgument,
    asked: dict[str, str | bool],
    facets: dict[str, str],
    covers: CoversOption = None,
    secrets: SecretsOption = None,
    named: SeveralWeightsOption = None,
    payload: PayloadOption = None,
    attack: AttackOption = None,
    survive: MadeForOption = None,
    limit: LimitOption = None,
    size: SizeOption = None,
    detect: DetectOption = False,
    leaked: LeakedOption = None,
    cache: CacheOption = None,
    cnn: CnnOption = None,
    seed: SeedOption = 0,
    cluster: ClusterOption = None,
    report: ReportOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    force: ForceOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Measure a method and compare it with plain LSB replacement and the theoretical limit, or with its paper."""
    about = methods.about(method)
    own = parsed("evaluate", method, asked)
    chosen = _weights_to_measure(method, facets, named)
    sides = options.parse_size(size) if size is not None else None
    if detect:
        _check_no_sweep(survive=survive, cluster=cluster)
        folder = secrets or covers
    else:
        _check_detection(leaked=leaked, cache=cache, cnn=cnn)
        folder = _what_to_measure(about, covers, secrets, payload)
    from stegcli.cli import detecting, evaluating, reporting
    from stegcli.cli.inputs import made_folder

    wanted = evaluating.Asked(
        about, folder, chosen, payload, attack or [], survive, limit, sides, seed, device, own, cluster
    )
    common: Any = {"weights": chosen, "limit": limit, "size": sides, "seed": seed, "device": device, "options": own}
    kept: Any = {"leaked": leaked or (), "cache": cache, "epochs": cnn, "payloads": payload, "channels": attack}
    with made_folder(None if report is None else str(report)):
        page = None if report is None else reporting.check(report, method, force)
        if detect:
            result = detecting.detect(about, covers, secrets, quiet, **common, **kept)
        else:
            with bar("measuring", quiet) as tick:
                result = evaluating.measured(wanted, tick)
        if page is not None:
            reporting.write(wanted, result, page, force, quiet)
    if json:
        emit(result)
    else:
        (detecting if detect else evaluating).tell(result)


def _check_no_sweep(**given: Any) -> None:
    """Raises UsageError for an option that detection does not take."""
    for flag, value in given.items():
        if value is not None:
            raise UsageError(f"--{flag} does not go with --detect", "leave it out")


def _check_detection(**given: Any) -> None:
    """Raises UsageError for an option of detection without it."""
    for flag, value in given.items():
        if value is not None:
            raise UsageError(f"--{flag} goes with --detect")


def _what_to_measure(about: About, covers: Path | None, secrets: Path | None, payload: list[float] | None) -> Path:
    """Returns the folder of covers or of secrets that the method needs. Raises UsageError if the other is given."""
    if "picture" in about.carries:
        if secrets is None or covers is not None or payload:
            needs = f"{about.name} needs --secrets DIR, and takes no --covers or --payload"
            raise UsageError(needs, "it carries pictures")
        return secrets
    if covers is None or secrets is not None:
        needs = f"{about.name} needs --covers DIR, and takes no --secrets"
        raise UsageError(needs, "random bytes are hidden in the covers")
    return covers


def _weights_to_measure(method: str, facets: dict[str, str], named: list[str] | None) -> list[str] | None:
    """The named weights, checked against the facets, or else all weights that match the facets."""
    check_facets(method, facets)
    if not facets:
        return named
    from stegcli import weights

    if named is None:
        weights.by_facets(method, facets)
        return [e.name for e in weights.entries(method) if facets.items() <= e.facets.items()]
    for name in named:
        weights.by_facets(method, facets, name)
    return named
