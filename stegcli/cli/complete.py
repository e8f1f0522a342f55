"""Shell completion of the names of methods, weights, channels and devices."""

from __future__ import annotations

from stegcli import methods
from stegcli.errors import StegoError

VARIABLE = "_STEGO_COMPLETE"
"""Set by a shell that asks for completion."""
CHANNELS = ("png", "jpeg:90", "jpeg:80", "jpeg:75", "jpeg:75..95", "noise:2")
DEVICES = ("auto", "cpu", "cuda")


def _starting(names: list[str] | tuple[str, ...], incomplete: str) -> list[str]:
    return [n for n in names if n.startswith(incomplete)]


def method_names(incomplete: str) -> list[str]:
    return _starting(methods.names(), incomplete)


def drawing_methods(incomplete: str) -> list[str]:
    """The methods that `stego sample` takes."""
    return _starting([a.name for a in methods.abouts() if a.draws], incomplete)


def weights_names(incomplete: str) -> list[str]:
    from stegcli import weights  # loads numpy, which only this completion needs

    try:
        entries = weights.entries()
    except StegoError:  # an error message would disturb the user's typing
        return []
    return _starting([e.name for e in entries], incomplete)


def channels(incomplete: str) -> list[str]:
    return _starting(CHANNELS, incomplete)


def devices(incomplete: str) -> list[str]:
    return _starting(DEVICES, incomplete)
