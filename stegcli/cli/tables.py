"""The tables of `stego methods` and `stego weights list`.

They show what ABOUT and weights.toml say; no weights are read.
"""

from __future__ import annotations

from stegcli import methods, weights
from stegcli.about import About
from stegcli.weights import Entry


def methods_table() -> tuple[list[str], list[list[str]]]:
    columns = ["method", "does", "carries", "cover", "key", "room", "survives", "weights (default first)", "measured"]
    return columns, [_method_row(about) for about in methods.abouts()]


def _method_row(about: About) -> list[str]:
    names = [e.name for e in weights.entries(about.name)]
    default = weights.default_name(about.name) if names else ""
    ordered = [default, *(n for n in names if n != default)] if names else []
    return [
        about.name, about.summary, _carries(about), about.cover, "yes" if about.keyed else "no",
        about.room, ", ".join(about.survives), ", ".join(ordered),
        _quality(weights.entry(about.name, default)) if names else "",
    ]  # fmt: skip


def _quality(found: Entry) -> str:
    return ", ".join(f"{k} {v}" for k, v in found.quality.items() if k != "command")


def _carries(about: About) -> str:
    files = "any file" if "bytes" in about.carries else ""
    pictures = "a picture" if about.most_secrets == 1 else f"1 to {about.most_secrets} pictures"
    return " or ".join(filter(None, [pictures if "picture" in about.carries else "", files]))


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
