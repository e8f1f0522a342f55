"""The decoder of the package `ldpc`, without the rest of that package.

`import ldpc` also loads its quantum codes with Stim and PyMatching, which takes nearly a second and is not used here.
So a package object of that name stands in while its module `bp_decoder` is imported, and is taken away again: whoever
imports `ldpc` later gets the whole of it.

To make a decoder takes as long as four rounds of decoding, so each thread keeps those for the last few matrices.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

NAME = "ldpc"
KEPT = 6
_lock = threading.Lock()


class _Kept(threading.local):
    """Matrices and their decoders, the last used at the end."""

    def __init__(self) -> None:
        self.pairs: list[tuple[sparse.csr_matrix, Any]] = []


_kept = _Kept()


def flips(matrix: sparse.csr_matrix, syndrome: np.ndarray, doubt: np.ndarray, iterations: int) -> np.ndarray:
    """Parity checks (m, n), their outcomes (m,) and how likely each bit is wrong (n,) -> the likeliest errors, uint8
    (n,), after at most so many rounds of belief propagation. They may not explain the syndrome."""
    found = next((pair for pair in _kept.pairs if pair[0] is matrix), None)
    if found is None:
        found = matrix, decoder()(matrix, error_channel=doubt.tolist(), bp_method="product_sum",
                                  input_vector_type="syndrome")  # fmt: skip
    _kept.pairs = [*(pair for pair in _kept.pairs if pair[0] is not matrix), found][-KEPT:]
    own = found[1]
    own.update_channel_probs(doubt)
    own.max_iter = iterations
    errors: np.ndarray = own.decode(syndrome)
    return errors


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
