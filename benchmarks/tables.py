"""Measures the tables of docs/methods/ again, and writes them into the pages.

    python benchmarks/tables.py --list
    python benchmarks/tables.py --check
    python benchmarks/tables.py --data DIR [--write] [--keep DIR] lossless-inn/ecc riis/bytes ...
    python benchmarks/tables.py --data DIR --all --write

A line `<!-- table: PAGE/NAME -->` stands above each table of a page; the table reaches as far as lines begin with
`|`. DIR holds photos256, textures128 and landscapes64; for `riis/pictures-unseen` also squares512, which
`unseen_photos.py` makes. Without `--write` the tables are only printed. The commands draw their pictures and payloads
by fixed seeds; keys are fresh in each run, so figures vary within their errors. `--keep` keeps what commands print,
and what they may use again; a command whose output is there is not run again. Times depend on the machine. All tables
take days of two cores: `--list` guesses how long each does.

`--check` says whether each table has its marker, each marker its entry, and each entry its marker.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _tables import Fixed, Table, markdown
from _tables_drawn import DRAWN
from _tables_pixels import PIXELS
from _tables_riis import RIIS

from stegcli.data import list_pictures

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "methods"
TABLES: dict[str, Table | Fixed] = {t.name: t for t in (*PIXELS, *RIIS, *DRAWN)}
MARKER = re.compile(r"<!-- table: (\S+) -->")
FIRST_VAL = {"photos256": 3500, "textures128": -100, "landscapes64": -500}
"""Number of the first picture that nothing was trained on; from the end if it is negative."""
SMALL = 160


def main() -> None:
    asked = arguments()
    if asked.list:
        for entry in TABLES.values():
            print(f"{entry.name:24} {described(entry)}")
        return
    if asked.check:
        problems = [line for page in sorted(PAGES.glob("*.md")) for line in faults(page)]
        sys.exit("\n".join(problems) or 0)
    names = list(TABLES) if asked.all else asked.names
    for name in names:
        if name not in TABLES:
            sys.exit(f"no table {name!r}: see --list")
    with tempfile.TemporaryDirectory() as held:
        work = asked.keep or Path(held)
        folders = made_folders(asked.data, work)
        for name in names:
            entry = TABLES[name]
            if isinstance(entry, Fixed):
                print(f"{name}: {entry.why}: nothing to measure")
                continue
            text = measured(entry, folders, work)
            print(f"<!-- table: {name} -->\n{text}\n", flush=True)
            if asked.write:
                page = PAGES / f"{entry.page}.md"
                page.write_text(replaced(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="PAGE/NAME")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    if not (asked.list or asked.check) and asked.data is None:
        parser.error("--data DIR is needed")
    return asked


def described(entry: Table | Fixed) -> str:
    if isinstance(entry, Fixed):
        return f"not measured: {entry.why}"
    return f"perhaps {entry.hours:g} h: " + "; ".join(dict.fromkeys(entry.runs.values()))


# -- measuring


def measured(table: Table, folders: dict[str, str], work: Path) -> str:
    """Run the commands of a table -> its lines."""
    outputs = {name: output(command.format(**folders), work) for name, command in table.runs.items()}
    return markdown(table.columns, table.rows(outputs))


def output(command: str, work: Path) -> str:
    """A command -> what it printed. Raises SystemExit if it fails."""
    held = work / (re.sub(r"[^\w.=-]+", "_", command)[-150:] + ".out")
    if held.exists():
        return held.read_text(encoding="utf-8")
    print(f"$ {command}", file=sys.stderr, flush=True)
    ended = subprocess.run(words(command), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{command} ended with status {ended.returncode}")
    held.write_text(ended.stdout, encoding="utf-8")
    return ended.stdout


def words(command: str) -> list[str]:
    """`python` and `stego` are those that run this script."""
    first, *rest = shlex.split(command)
    return {"python": [sys.executable], "stego": [sys.executable, "-m", "stegcli"]}.get(first, [first]) + rest


def environment() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {"PYTHONPATH": str(ROOT)}


def made_folders(data: Path, work: Path) -> dict[str, str]:
    """Names in commands -> folders. Those of parts hold links."""
    found = {"photos": str(data / "photos256"), "squares": str(data / "squares512"), "cache": str(work / "cache")}
    (work / "cache").mkdir(parents=True, exist_ok=True)
    for name, (whole, learn) in {
        "train": ("photos256", True), "val": ("photos256", False), "textures": ("textures128", True),
        "textures_val": ("textures128", False),
    }.items():  # fmt: skip
        found[name] = str(linked(data / whole, FIRST_VAL[whole], learn, work / name))
    found["small"] = str(reduced(Path(found["val"]), work / "small"))
    return found


def linked(whole: Path, first: int, learn: bool, folder: Path) -> Path:
    paths = list_pictures(whole)
    folder.mkdir(exist_ok=True)
    for path in paths[:first] if learn else paths[first:]:
        link = folder / path.name
        if not link.exists():
            link.symlink_to(path.resolve())
    return folder


def reduced(photos: Path, folder: Path) -> Path:
    """Photos made small, of which those are kept whose colours show no JPEG past: hiding in others is refused."""
    import numpy as np
    from PIL import Image as Pillow

    from stegcli.pictures import lattice

    if folder.exists():
        return folder
    folder.mkdir()
    for path in sorted(photos.iterdir()):
        with Pillow.open(path) as photo:
            small = photo.convert("RGB").resize((SMALL, SMALL), Pillow.Resampling.LANCZOS)
        if lattice.examine(np.asarray(small)).history == "never":
            small.save(folder / f"{path.stem}.png")
    return folder


# -- pages


def tables_of(text: str) -> Iterator[tuple[int, str | None]]:
    """Each table of a page -> the line of its heading, and the name in the marker above it, or None."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.fullmatch(r"\|[-| ]+\|", line):
            found = MARKER.fullmatch(lines[number - 2]) if number >= 2 else None
            yield number - 1, found[1] if found else None


def faults(page: Path) -> list[str]:
    """What is wrong with the markers of a page."""
    text = page.read_text(encoding="utf-8")
    found = list(tables_of(text))
    marked = [name for _, name in found if name is not None]
    said = [f"{page.name}:{line + 1}: a table without a marker" for line, name in found if name is None]
    said += [f"{page.name}: marker {name} has no entry" for name in marked if name not in TABLES]
    said += [f"{page.name}: marker {name} stands twice" for name in set(marked) if marked.count(name) > 1]
    said += [f"{page.name}: marker {name} has no table" for name in MARKER.findall(text) if name not in marked]
    own = {name for name, entry in TABLES.items() if entry.page == page.stem}
    said += [f"{page.name}: entry {name} has no table" for name in sorted(own - set(marked))]
    return said + [
        f"{page.name}: {name} belongs to another page" for name in marked if name.partition("/")[0] != page.stem
    ]


def replaced(text: str, name: str, table: str) -> str:
    """A page with the table of that name replaced. Raises SystemExit if the page has none."""
    lines = text.splitlines()
    start = next((at for at, marker in tables_of(text) if marker == name), None)
    if start is None:
        sys.exit(f"no table with the marker {name}")
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return "\n".join([*lines[:start], *table.splitlines(), *lines[end:]]) + "\n"


if __name__ == "__main__":
    main()
