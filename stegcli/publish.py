"""Weights -> folders that are ready to upload to a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stegcli.errors import FileError
from stegcli.version import __version__
from stegcli.weights import Entry, entries, parse, verified_bytes


def export(folder: Path, method: str | None = None) -> list[Path]:
    """Write one folder per revision, ready to upload to a hub: the file, config.json and a model card.

    Revisions without a file of their own are left out.
    """
    written = []
    for found in entries(method):
        if found.file is None:
            continue
        data = verified_bytes(found)
        config = {"method": found.method, "config": parse(data, found.name).config}
        target = folder / f"stego-{found.method}-{found.name}"
        try:
            target.mkdir(parents=True, exist_ok=False)
            (target / Path(found.file).name).write_bytes(data)
            (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
            (target / "README.md").write_text(_card(found), encoding="utf-8")
        except OSError as error:
            raise FileError(f"cannot write {target}: {(error.strerror or str(error)).lower()}") from error
        written.append(target)
    return written


def _card(found: Entry) -> str:
    def table(facts: dict[str, Any]) -> str:
        return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())])

    assert found.file is not None
    return f"""---
license: {found.licence.lower()}
library_name: stegcli
---
# {found.method}, {found.name}

Weights of the method `{found.method}` of the command-line tool `stego` (PyPI: `stegcli` {__version__}).
sha256 `{found.sha256}`, {found.bytes} bytes.

## Training
{table(found.training)}

## Measured quality
{table(found.quality)}

## Use
In `weights.toml`:

```toml
[{found.method}.{found.name}]
repo = "OWNER/REPO"
revision = "COMMIT"
file = "{Path(found.file).name}"
sha256 = "{found.sha256}"
```
"""
