"""What was measured -> one HTML page that needs nothing else: styles, charts and pictures are inside it.

The page says first what to do, then what detectors find, then what stegos survive, and quality last, for PSNR misleads.
Every text is escaped. `charts` and `gallery` make what is seen.
"""

from __future__ import annotations

import base64
import html
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from stegcli.measuring import detection_tables
from stegcli.measuring.charts import DETECTORS, QUALITY, ROBUSTNESS, Chart
from stegcli.measuring.gallery import Row, Shown
from stegcli.version import __version__

Table = tuple[str, list[str], list[list[str]]]
LIBRARIES = ("torch", "numpy", "pillow", "scipy", "matplotlib")
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0 1.5rem; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: bold; }
th, td { border: 1px solid #ccc; padding: 0.2rem 0.5rem; text-align: left; }
th { background: #f2f2f2; }
code, pre { background: #f2f2f2; padding: 0.1rem 0.3rem; white-space: pre-wrap; }
figure { display: inline-block; margin: 0.5rem; vertical-align: top; max-width: 100%; }
figure img { max-width: 100%; }
.row figure { width: 12.5rem; } .row img { image-rendering: pixelated; }
figcaption { font-size: 0.85rem; color: #555; }
.advice { background: #fff8e1; border-left: 4px solid #f0b400; padding: 0.5rem 1rem; }
"""


@dataclass(frozen=True)
class Page:
    """What goes on it. result: of `stego evaluate`. tables: of the method and of quality; robustness: of the sweeps.

    verdicts: sentences. command: as the user typed it. weights: name and hash of each set that was measured.
    """

    result: dict[str, Any]
    tables: Sequence[Table]
    robustness: Sequence[Table]
    verdicts: Sequence[str]
    charts: Sequence[Chart]
    gallery: Sequence[Row]
    command: str
    weights: Sequence[tuple[str, str]]


def page(held: Page) -> str:
    """-> the text of the HTML file."""
    title = f"stego evaluate {held.result['method']}"
    found = held.result.get("detection")
    drawn = {name: [c for c in held.charts if c.section == name] for name in (DETECTORS, ROBUSTNESS, QUALITY)}
    parts = [
        _advice(found),
        _section("What detectors find", detection_tables.tables(found), drawn[DETECTORS]) if found else "",
        _section("What stegos survive", held.robustness, drawn[ROBUSTNESS]),
        _gallery(held.gallery),
        _section("Quality", held.tables, drawn[QUALITY], held.verdicts),
        _made_by(held),
    ]
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{STYLE}</style>'
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    body = f"<h1>{_text(title)}</h1>\n{_introduction(held)}\n" + "\n".join(p for p in parts if p)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}{viewport}</head>\n<body>\n{body}\n</body></html>\n'


def _introduction(held: Page) -> str:
    result = held.result
    count = next((f"{result[k]} {k}" for k in ("covers", "secrets") if k in result), "pictures of the user")
    return f"<p>Measured on {_text(count)}, from files, by this command:</p><pre>{_text(held.command)}</pre>"


def _advice(found: dict[str, Any] | None) -> str:
    if not found or not found.get("advice"):
        return ""
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in found["advice"])
    return f'<div class="advice"><h2>What to do with these pictures</h2><ul>{items}</ul></div>'


def _section(title: str, tables: Sequence[Table], charts: Sequence[Chart | None], sentences: Sequence[str] = ()) -> str:
    drawn = [_chart(c) for c in charts if c is not None]
    if not tables and not drawn:
        return ""
    said = "".join(f"<p>{_text(s)}</p>" for s in sentences)
    return f"<section><h2>{_text(title)}</h2>{said}{''.join(drawn)}{''.join(_table(*t) for t in tables)}</section>"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{_text(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def _chart(chart: Chart) -> str:
    return _figure(_data("image/svg+xml", chart.svg), chart.says, f"<b>{_text(chart.title)}</b>")


def _gallery(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    drawn = "".join(f'<div class="row">{"".join(_picture(shown) for shown in row)}</div>' for row in rows)
    note = "Of large pictures the middle is shown, pixel for pixel."
    return f"<section><h2>Pictures</h2><p>{note}</p>{drawn}</section>"


def _picture(shown: Shown) -> str:
    caption = f"<b>{_text(shown.name)}</b><br>{_text(shown.caption)}"
    if shown.pixels is None:
        return f"<figure><figcaption>{caption}</figcaption></figure>"
    return _figure(_data("image/webp", shown.webp()), f"{shown.name}: {shown.caption}", caption)


def _figure(source: str, alternative: str, caption: str) -> str:
    return f'<figure><img src="{source}" alt="{_text(alternative)}"><figcaption>{caption}</figcaption></figure>\n'


def _made_by(held: Page) -> str:
    """What somebody needs to measure the same again."""
    system = [["stego", __version__], ["Python", platform.python_version()], ["system", platform.system()]]
    versions = [*system, ["processor", platform.machine()], *([n, v] for n, v in _libraries())]
    seed = held.result.get("seed")
    rows = [["command", held.command], *([] if seed is None else [["seed", str(seed)]]), *versions]
    tables = [("What made this page", ["what", "which"], rows)]
    if held.weights:
        tables.append(("Weights", ["name", "sha256"], [list(pair) for pair in held.weights]))
    return _section("Command and versions", tables, [])


def _libraries() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _data(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _text(text: str) -> str:
    return html.escape(str(text), quote=True)
