"""The report of a hide or a reveal: lines on standard error, and the figures of `--json`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stegcli.about import About
from stegcli.api import Hidden
from stegcli.cli.console import say
from stegcli.files import STDIO
from stegcli.keys.key import Key
from stegcli.method import Method, Revealed, Secret
from stegcli.pictures import channel
from stegcli.pictures.image import Picture


def place(output: str) -> str:
    return "standard output" if output == STDIO else output


# -- hiding


def say_start(
    names: Sequence[str], secrets: Sequence[Secret], cover_name: str | None, cover: Picture | None, about: About,
    notes: Sequence[str],
) -> None:  # fmt: skip
    for note in notes:
        say(note)
    what = ", ".join(f"{n} ({len(s.data)} bytes)" for n, s in zip(names, secrets, strict=True))
    where = f"a picture that {about.name} makes"
    say(f"hiding {what} in {where if cover is None else f'{cover_name} ({cover.width}x{cover.height})'}")


def say_hidden(output: str, names: Sequence[str], hidden: Hidden, fresh: Sequence[Path]) -> None:
    width, height = hidden.picture.width, hidden.picture.height
    as_file = hidden.draft.file is not None
    lasts = "lost if saved anew" if as_file else f"survives {channel.told(hidden.survives)}"
    line = f"wrote {place(output)}: verified, {width}x{height}, {lasts}"
    psnr = hidden.cover_psnr
    say(line if psnr is None else f"{line}, PSNR to its cover {psnr:.2f} dB")
    told = zip(names, hidden.draft.forms, hidden.draft.exact, hidden.psnrs, strict=True)
    for name, form, exact, back in told:
        came = [] if exact is None else [f"{len(exact)} of {hidden.draft.capacity} bytes"]
        if back is not None:
            came.append("exact" if math.isinf(back) else f"PSNR {back:.2f} dB")
        say(f"{name}: {', '.join([form, *came])}")
    for note in hidden.draft.notes:
        say(note)
    for path in fresh:
        say(f"wrote key {path}: whoever has it and the stego can read the secret")


def of_hidden(
    hidden: Hidden, method: Method, keys: Sequence[Key], secrets: Sequence[Secret], output: str,
    key_paths: Sequence[str], notes: Sequence[str], seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """The figures of a stego under the names that `--json` prints; lists if it holds several secrets."""
    draft, width, height = hidden.draft, hidden.picture.width, hidden.picture.height
    sizes = [None if e is None else len(e) for e in draft.exact]
    sent = [s for s in sizes if s is not None]
    single = len(secrets) == 1
    return {
        "method": method.name,
        "weights": keys[0].weights if keys else None,
        "output": output,
        "key": (key_paths[0] if key_paths else None) if len(key_paths) < 2 else list(key_paths),
        "width": width,
        "height": height,
        "cover_psnr": _rounded(hidden.cover_psnr),
        "payload_bytes": sizes[0] if single else sizes,
        "capacity_bytes": draft.capacity,
        "bpp": 8 * sum(sent) / (width * height) if sent else None,
        "secret_psnr": _rounded(hidden.psnrs[0]) if single else [_rounded(p) for p in hidden.psnrs],
        "form": draft.forms[0] if single else list(draft.forms),
        "number": draft.number,
        "verified": True,
        "notes": list(notes),
        "seconds": seconds,
    }


def _rounded(psnr: float | None) -> float | None:
    """A PSNR for JSON, which has no infinity."""
    return None if psnr is None or math.isinf(psnr) else round(psnr, 3)


# -- revealing


def say_revealed(revealed: Sequence[Revealed], written: Sequence[tuple[str, bytes]], notes: Sequence[str]) -> None:
    for one, (output, data) in zip(revealed, written, strict=True):
        picture = one.picture
        what = f"{len(data)} bytes" if picture is None else f"a picture of {picture.width}x{picture.height}"
        say(f"revealed {what} to {place(output)}")
    for note in notes:
        say(note)


def of_revealed(
    revealed: Sequence[Revealed], written: Sequence[tuple[str, bytes]], method: str, weights: str,
    notes: Sequence[str], seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """The figures of revealed secrets under the names that `--json` prints; lists if there are several."""
    rows = [
        {
            "output": output,
            "bytes": len(data),
            "width": None if one.picture is None else one.picture.width,
            "height": None if one.picture is None else one.picture.height,
        }
        for one, (output, data) in zip(revealed, written, strict=True)
    ]
    figures = rows[0] if len(rows) == 1 else {name: [row[name] for row in rows] for name in rows[0]}
    return {"method": method, "weights": weights} | figures | {"notes": list(notes), "seconds": seconds}
