"""The decoder of `ldpc` alone: nothing else of the package is loaded, and nothing is left in its way."""

from __future__ import annotations

import subprocess
import sys

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
