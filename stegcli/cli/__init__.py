"""The command line."""


def main() -> None:
    """`stego`, as the installed script calls it."""
    from stegcli.cli.app import main as run

    run()
