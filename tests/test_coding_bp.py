"""The decoder of `ldpc` alone: nothing else of the package is loaded, and nothing is left in its way."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from stegcli.coding import bp, ldpc

SCRIPT = """
import sys
from stegcli.coding import bp
found = bp.decoder()
print("stim" in sys.modules, "pymatching" in sys.modules, "ldpc" in sys.modules, found is bp.decoder())
import ldpc
print(ldpc.BpDecoder is found, "pymatching" in sys.modules)
"""


def test_only_the_decoder_is_loaded_and_the_package_can_be_loaded_later() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False False True", "True True"]


def test_a_decoder_that_is_used_again_gives_what_a_fresh_one_gives() -> None:
    rng = np.random.default_rng(0)
    matrices = [ldpc._irregular(200, length) for length in range(400, 400 + 10 * (bp.KEPT + 2), 10)]
    for matrix in (*matrices, *matrices[::-1]):
        doubt = rng.uniform(0.01, 0.2, matrix.shape[1])
        errors = (rng.random(len(doubt)) < doubt).astype(np.int32)
        syndrome = ((matrix @ errors) & 1).astype(np.uint8)
        for iterations in (3, 60):
            fresh = bp.decoder()(matrix, error_channel=doubt.tolist(), max_iter=iterations, bp_method="product_sum",
                                 input_vector_type="syndrome")  # fmt: skip
            assert np.array_equal(bp.flips(matrix, syndrome, doubt, iterations), fresh.decode(syndrome))
    assert len(bp._kept.pairs) == bp.KEPT
