"""A wheel -> its bill of materials beside it, as CycloneDX JSON. Run by `make dist`: python .ci/sbom.py dist/*.whl

It lists the package, the weights in it, and every package that it needs at run time, as they are installed here. With
the same wheel, environment and SOURCE_DATE_EPOCH the bytes are the same.

Reference: CycloneDX 1.6 (Ecma International, ECMA-424, 2024).
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tomllib
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = "stegcli"
SPACE = uuid.UUID("6f0f3b0e-51b2-5c1e-9f6e-0d1f6f9f8c53")
"""Namespace of the serial numbers; any fixed number serves."""


@dataclass(frozen=True)
class Part:
    """One component. needs: names of the components that it needs. sha256: of its file, where that is in the wheel."""

    name: str
    version: str
    licence: str | None
    needs: tuple[str, ...] = ()
    sha256: str | None = None
    is_model: bool = False


def parts(wheel: Path) -> list[Part]:
    """A wheel -> the package itself, its weights, and the packages that it needs, by name.

    Raises PackageNotFoundError if a package that it needs is not installed here.
    """
    models = list(weights(wheel))
    needed = {p.name: p for p in packages(PROJECT)}
    own = needed.pop(PROJECT)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    root = Part(PROJECT, own.version, own.licence, (*own.needs, *(m.name for m in models)), digest)
    return [root, *models, *sorted(needed.values(), key=lambda p: p.name)]


def weights(wheel: Path) -> Iterator[Part]:
    """The weights in a wheel, as its weights.toml names them, with the hashes of the files themselves."""
    with zipfile.ZipFile(wheel) as archive:
        named = tomllib.loads(archive.read(f"{PROJECT}/weights.toml").decode())
        held = set(archive.namelist())
        for method, table in named.items():
            for revision, entry in table.items():
                path = f"{PROJECT}/pretrained/{entry['file']}" if isinstance(entry, dict) and "file" in entry else ""
                if path in held:
                    digest = hashlib.sha256(archive.read(path)).hexdigest()
                    yield Part(f"{method}/{revision}", entry["sha256"][:12], entry["licence"], (), digest, True)


def packages(root: str) -> Iterator[Part]:
    """An installed package and all that it needs, each once."""
    extras: dict[str, frozenset[str]] = {}
    needs: dict[str, set[str]] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(canonical(root), frozenset())]
    while waiting:
        name, asked = waiting.pop()
        if name in extras and asked <= extras[name]:
            continue
        extras[name] = asked | extras.get(name, frozenset())
        wanted = map(Requirement, metadata.distribution(name).requires or ())
        needed = [(canonical(r.name), frozenset(r.extras)) for r in wanted if applies(r, extras[name])]
        needs.setdefault(name, set()).update(n for n, _ in needed)
        waiting += needed
    for name, below in needs.items():
        found = metadata.distribution(name)
        yield Part(name, found.version, licence_of(found.metadata), tuple(sorted(below)))


def applies(wanted: Requirement, extras: frozenset[str]) -> bool:
    """Whether a package with these extras needs it on this machine."""
    marker = wanted.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(facts: Any) -> str | None:
    """A package's metadata -> its licence, if that is short enough to be a name and not the text."""
    for field in ("License-Expression", "License"):
        value = facts.get(field)
        if value and len(value) < 100 and "\n" not in value:
            return str(value)
    classes = [c.rpartition(" :: ")[2] for c in facts.get_all("Classifier", []) if c.startswith("License ::")]
    return classes[0] if classes else None


def document(found: list[Part], made: datetime) -> str:
    """Components, the package itself first -> the bill of materials as JSON."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    licences = LicenseFactory()
    components = {
        p.name: Component(
            name=p.name,
            version=p.version,
            bom_ref=p.name,
            type=ComponentType.MACHINE_LEARNING_MODEL if p.is_model else ComponentType.LIBRARY,
            licenses=[licences.make_from_string(p.licence)] if p.licence else None,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=p.sha256)] if p.sha256 else None,
            purl=None if p.is_model else PackageURL("pypi", name=p.name, version=p.version),
        )
        for p in found
    }
    root = components[found[0].name]
    bom = Bom(serial_number=uuid.uuid5(SPACE, str(found)), components=[c for c in components.values() if c is not root])
    bom.metadata.component, bom.metadata.timestamp = root, made
    for part in found:
        bom.register_dependency(components[part.name], [components[name] for name in part.needs])
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def main(wheel: Path) -> None:
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    out = wheel.with_name("-".join(wheel.name.split("-")[:2]) + ".cdx.json")
    out.write_text(document(parts(wheel), made), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
