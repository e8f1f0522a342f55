"""The command line."""

import gc
import os

GARBAGE = 20_000
"""Objects made before Python looks for garbage; its usual 700 cost every command 30 ms while modules load."""


def main() -> None:
    """`stego`, as the installed script calls it."""
    # Several threads of ours multiply small matrices. Threads of numpy's own BLAS would stand in their way: the density
    # network took four times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(GARBAGE)
    from stegcli.cli.app import main as run

    run()
