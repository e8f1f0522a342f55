"""Makes `python -m stegcli` the same as `stego`; `accelerate launch -m stegcli train ...` needs it."""

from stegcli.cli import main

if __name__ == "__main__":
    main()
