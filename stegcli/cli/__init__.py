"""The command line."""

import os


def main() -> None:
    """`stego`, as the installed script calls it."""
    # Several threads of ours multiply small matrices. Threads of numpy's own BLAS would stand in their way: the density
    # network took four times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from stegcli.cli.app import main as run

    run()
