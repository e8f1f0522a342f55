"""The methods, found by their folders: `lossless_inn/` is the method `lossless-inn`.

A method's package offers `METHOD` (the class), `build(**config) -> Method`, `RECIPES` (part -> Recipe, the first is
the default) and `TINY` (a list of configurations small enough for tests). Nothing here imports torch before `get` is
called.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from stegcli.errors import UsageError


def names() -> list[str]:
    """The names of all methods, sorted."""
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if m.ispkg)


def get(name: str) -> ModuleType:
    """Method's name -> its package. Raises UsageError if there is none of that name."""
    if name not in names():
        raise UsageError(f"no method {name!r}", f"methods: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
