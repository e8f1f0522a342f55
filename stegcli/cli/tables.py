"""The tables of `stego methods` and `stego weights list`."""

from __future__ import annotations

from stegcli import api, methods, weights
from stegcli.method import BitMethod, Method, PictureMethod, Wish
from stegcli.pictures.channel import parse
from stegcli.weights import Entry

REFERENCE = (512, 768)
"""Height and width of the given cover whose capacity the table tells."""
RE_SAVED = "jpeg:80"
"""What a generated stego is told the capacity of besides, if the method outlives it."""


def methods_table() -> tuple[list[str], list[list[str]]]:
    columns = [
        "method",
        "carries",
        "cover",
        "key",
        "capacity",
        "survives",
        "weights (default first)",
        "measured",
    ]
    return columns, [_method_row(name) for name in methods.names()]


def _method_row(name: str) -> list[str]:
    method = weights.load(name)
    default = weights.default_name(name)
    others = [e.name for e in weights.entries(name) if e.name != default]
    key = "yes" if method.keyed else "no"
    return [
        name, _carries(method), method.cover, key,
        _capacity(method), ", ".join(method.survives), ", ".join([default, *others]),
        _quality(weights.entry(name, default)),
    ]  # fmt: skip


def _quality(found: Entry) -> str:
    return ", ".join(f"{k} {v}" for k, v in found.quality.items() if k != "command")


def _carries(method: Method) -> str:
    if method.carries == "bits":
        return "any file"
    return "picture or any file" if "as" in method.options else "picture"


def _capacity(method: Method) -> str:
    """Of a given cover of REFERENCE's size, or of a generated one of the method's own."""
    if isinstance(method, BitMethod):
        height, width = REFERENCE
        room = api.capacity_bytes(method, height, width)
        return f"{room} bytes at {width}x{height} ({8 * room / (height * width):.2f} bpp)"
    if not isinstance(method, PictureMethod) or method.cover != "generated":
        return ""
    side = method.config.get("side")
    found = f"{max(0, method.room(Wish()))} bytes" + (f" at {side}x{side}" if side else "")
    if "jpeg:Q" in method.survives:
        found += f", {max(0, method.room(Wish(parse(RE_SAVED))))} if to outlive {RE_SAVED}"
    return found


def weights_table() -> tuple[list[str], list[list[str]]]:
    columns = ["method", "name", "aliases", "source", "bytes", "licence", "quality"]
    return columns, [_weights_row(e) for e in weights.entries()]


def _weights_row(found: Entry) -> list[str]:
    aliases = [a for a, n in weights.aliases(found.method).items() if n == found.name]
    size = str(found.bytes)
    return [found.method, found.name, ", ".join(aliases), _source(found), size, found.licence, _quality(found)]


def _source(found: Entry) -> str:
    if found.borrows:
        lender = weights.holder(found)
        own = "in the package, and " if found.file else ""
        return f"{own}of {lender.method} {lender.name}"
    return "none needed" if found.file is None else found.repo or "in the package"
