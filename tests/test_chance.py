"""Tests draw the same keys, nonces and places in each run: all that stegcli draws from is what conftest.py replaces."""

from __future__ import annotations

import ast
import random
import secrets
from pathlib import Path

import pytest

import stegcli
from stegcli.keys import key as keys

SOURCES = sorted(Path(stegcli.__file__).parent.rglob("*.py"))
REPLACED = {"token_bytes", "token_hex", "randbits", "randbelow"}
"""token_hex draws from token_bytes."""


def names_of_secrets(tree: ast.Module) -> set[str]:
    """The names under which a module imports `secrets`."""
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {alias.asname or alias.name for alias in imports if alias.name == "secrets"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_chance_comes_from_what_the_tests_replace(path: Path) -> None:
    tree = ast.parse(path.read_text())
    sources = names_of_secrets(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module not in ("secrets", "random"), f"line {node.lineno}"
        if not isinstance(node, ast.Attribute):
            continue
        assert node.attr not in ("urandom", "SystemRandom"), f"line {node.lineno}"
        if isinstance(node.value, ast.Name) and node.value.id in sources:
            assert node.attr in REPLACED, f"line {node.lineno}"


def test_a_test_draws_the_same_in_each_run(request: pytest.FixtureRequest) -> None:
    expected = random.Random(request.node.nodeid)
    assert keys.generate("m", "w").secret == expected.randbytes(32)
    assert secrets.token_hex(6) == expected.randbytes(6).hex()
    assert secrets.randbits(48) == expected.getrandbits(48)
    assert secrets.randbelow(1000) == expected.randrange(1000)


@pytest.fixture
def drawn() -> bytes:
    return secrets.token_bytes(8)


@pytest.mark.parametrize("number", [1, 2])
def test_a_fixture_draws_the_same_for_each_test(drawn: bytes, number: int) -> None:
    assert drawn == random.Random("drawn").randbytes(8)
