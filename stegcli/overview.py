"""The tables of `stego methods` and `stego weights list`."""

from __future__ import annotations

from stegcli import api, methods, weights
from stegcli.method import BitMethod, Method
from stegcli.weights import Entry

REFERENCE = (512, 768)  # the picture whose capacity the table tells, height and width


def methods_table() -> tuple[list[str], list[list[str]]]:
    columns = [
        "method",
        "carries",
        "cover",
        "key",
        "capacity at 768x512",
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
        name, "any file" if method.carries == "bits" else "picture", method.cover, key,
        _capacity(method), ", ".join(method.survives), ", ".join([default, *others]),
        _quality(weights.entry(name, default)),
    ]  # fmt: skip


def _quality(found: Entry) -> str:
    return ", ".join(f"{k} {v}" for k, v in found.quality.items() if k != "command")


def _capacity(method: Method) -> str:
    if not isinstance(method, BitMethod):
        return ""
    height, width = REFERENCE
    room = api.capacity_bytes(method, height, width)
    return f"{room} bytes ({8 * room / (height * width):.2f} bpp)"


def weights_table() -> tuple[list[str], list[list[str]]]:
    columns = ["method", "name", "aliases", "source", "bytes", "licence", "quality"]
    return columns, [_weights_row(e) for e in weights.entries()]


def _weights_row(found: Entry) -> list[str]:
    source = "none needed" if found.file is None else found.repo or "in the package"
    aliases = [a for a, n in weights.aliases(found.method).items() if n == found.name]
    size = str(found.bytes)
    return [found.method, found.name, ", ".join(aliases), source, size, found.licence, _quality(found)]
