"""Benchmarks and training scripts are not run by the tests, but what they import from the package must be there."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "training").glob("*.py")])


@pytest.fixture
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path: Path = request.param
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] in ("stegcli", *(p.stem for p in SCRIPTS)):
            raise
        pytest.skip(f"{missing.name} is not installed")
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem, indirect=True)
def test_scripts_import_and_what_they_name_of_the_package_is_there(script: ModuleType) -> None:
    """A name that a function asks of a module of the package, which may have gone since."""
    assert script.__file__ is not None
    named = {
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(Path(script.__file__).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    asked = [(getattr(script, name, None), attribute) for name, attribute in named]
    ours = [(m, a) for m, a in asked if isinstance(m, ModuleType) and m.__name__.startswith("stegcli")]
    assert [f"{module.__name__}.{name}" for module, name in ours if not hasattr(module, name)] == []
