"""Pairs that are kept between runs: a file for each, so that a run goes on where an earlier one stopped.

A file is a numpy archive without pickled objects: the bytes of the stego and of each innocent file, and the figures.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stegcli import files
from stegcli.errors import FileError
from stegcli.pairs import Made

PREFIX = "innocent: "


def digest(*facts: Any) -> str:
    """Facts, ready for JSON, or bytes -> a name for what depends on them."""
    told = hashlib.sha256()
    for fact in facts:
        raw = isinstance(fact, bytes)
        data = fact if raw else json.dumps(fact, sort_keys=True).encode()
        told.update(b"%d %d " % (raw, len(data)) + data)
    return told.hexdigest()[:24]


class Store:
    """A folder of the user's. Without one, nothing is kept and nothing is found."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"cannot make the folder {folder}: {(error.strerror or str(error)).lower()}") from error

    def pair(self, name: str) -> Made | None:
        found = self.arrays(name)
        if found is None or "stego" not in found:
            return None
        innocents = {n.removeprefix(PREFIX): a.tobytes() for n, a in found.items() if n.startswith(PREFIX)}
        psnr = float(found["psnr"])
        return Made(found["stego"].tobytes(), innocents, int(found["bits"]), None if np.isnan(psnr) else psnr)

    def keep_pair(self, name: str, made: Made) -> None:
        innocents = {PREFIX + n: np.frombuffer(b, np.uint8) for n, b in made.innocents.items()}
        psnr = np.float64(np.nan if made.psnr is None else made.psnr)
        stego = np.frombuffer(made.stego, np.uint8)
        self.keep(name, {"stego": stego, "bits": np.int64(made.bits), "psnr": psnr} | innocents)

    def arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """What was kept under a name, or None; also for a file that is damaged."""
        if self.folder is None:
            return None
        try:
            with np.load(io.BytesIO(self._path(name).read_bytes()), allow_pickle=False) as archive:
                return dict(archive)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, name: str, arrays: Mapping[str, Any]) -> None:
        if self.folder is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        files.write(self._path(name), buffer.getvalue(), force=True)

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.npz"
