"""The bill of materials that `make dist` writes beside the wheel."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import zipfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from stegcli import __version__, weights

SCRIPT = Path(__file__).parent.parent / ".ci" / "sbom.py"
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sbom"] = module  # where dataclasses look for the names in annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel in miniature: the real weights.toml, and files of a few bytes in place of the weights."""
    path = tmp_path_factory.mktemp("dist") / f"stegcli-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(weights.manifest_path(), "stegcli/weights.toml")
        for entry in weights.entries():
            if entry.file:
                archive.writestr(f"stegcli/pretrained/{entry.file}", entry.name)
    return path


def test_it_lists_the_package_every_weights_file_and_every_package_needed(sbom: ModuleType, wheel: Path) -> None:
    root, *others = sbom.parts(wheel)
    assert (root.name, root.version) == ("stegcli", __version__)
    assert root.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    models = {p.name: p.sha256 for p in others if p.is_model}
    held = {f"{e.method}/{e.name}": hashlib.sha256(e.name.encode()).hexdigest() for e in weights.entries() if e.file}
    assert models == held
    packages = {p.name: p for p in others if not p.is_model}
    for text in metadata.requires("stegcli") or ():
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            assert sbom.canonical(wanted.name) in packages
    assert packages["numpy"].version == metadata.version("numpy")
    assert "ruff" not in packages  # of the extra dev, not needed at run time
    assert all(need in packages for p in packages.values() for need in p.needs)


def test_extras_count_when_a_package_asks_for_them(sbom: ModuleType) -> None:
    wanted = Requirement("lxml; extra == 'xml'")
    assert not sbom.applies(wanted, frozenset())
    assert sbom.applies(wanted, frozenset({"xml"}))


def test_the_document_fits_the_schema_and_is_the_same_twice(sbom: ModuleType, wheel: Path) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib of the extra dev")
    schema = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    found = sbom.parts(wheel)
    text = sbom.document(found, MADE)
    assert validation.JsonStrictValidator(schema).validate_str(text) is None
    assert text == sbom.document(found, MADE)
    read = json.loads(text)
    assert read["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    assert {c["name"] for c in read["components"]} == {p.name for p in found[1:]}
    (needs,) = (d["dependsOn"] for d in read["dependencies"] if d["ref"] == "stegcli")
    assert set(needs) == set(found[0].needs)
