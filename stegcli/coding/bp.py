"""The decoder of the package `ldpc`, without the rest of that package.

`import ldpc` also loads its quantum codes with Stim and PyMatching, which takes nearly a second and is not used here.
So a package object of that name stands in while its module `bp_decoder` is imported, and is taken away again: whoever
imports `ldpc` later gets the whole of it.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
import types
from typing import Any

NAME = "ldpc"
_lock = threading.Lock()


@functools.cache
def decoder() -> Any:
    """The class ldpc.bp_decoder.BpDecoder. Raises ImportError if the package is missing."""
    with _lock:
        if NAME in sys.modules:
            return _imported()
        found = importlib.util.find_spec(NAME)
        if found is None or found.submodule_search_locations is None:
            raise ImportError(f"no package {NAME}")
        package = types.ModuleType(NAME)
        package.__path__ = list(found.submodule_search_locations)
        sys.modules[NAME] = package
        try:
            return _imported()
        finally:
            del sys.modules[NAME]


def _imported() -> Any:
    from ldpc.bp_decoder import BpDecoder

    return BpDecoder
