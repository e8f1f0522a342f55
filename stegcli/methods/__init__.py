"""The methods: the folders beside this file, and plugins of other packages (entry point group `stegcli.methods`).

A method is a package: the folder `my_method/`, or the package that a plugin's entry point names, is the method
`my-method`. The package holds `ABOUT` and imports no torch. Its modules, loaded only when needed:

    method   build(**config) -> Method
    recipe   RECIPES: part -> Recipe; TINY: configurations small enough for tests   (a method that can be trained)
    measure  what `stego evaluate` measures of this method alone                    (optional)

A plugin that cannot be loaded is left out; `broken()` gives the reason.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from stegcli.about import About
from stegcli.errors import UsageError
from stegcli.options import Declared, declared

if TYPE_CHECKING:
    from stegcli.method import Method

GROUP = "stegcli.methods"
DEFAULT = "glow2"
"""The default method without a cover."""
DEFAULT_WITH_COVER = "lossless-inn"
DEFAULT_SURVIVING = "riis"
"""The method with a cover whose stego must survive more than the file as it is."""
Command = Literal["hide", "reveal", "evaluate", "sample"]
COMMANDS: tuple[Command, ...] = ("hide", "reveal", "evaluate", "sample")


@dataclass(frozen=True)
class Registry:
    """packages: method -> its package. abouts: method -> its ABOUT. broken: plugin -> why it cannot be loaded."""

    packages: dict[str, str]
    abouts: dict[str, About]
    broken: dict[str, str]


@functools.cache
def registry() -> Registry:
    """All installed methods, sorted by name."""
    packages: dict[str, str] = {}
    abouts: dict[str, About] = {}
    broken: dict[str, str] = {}
    for name, package in _candidates():
        try:
            abouts[name] = _about(name, package, abouts)
            packages[name] = package
        except Exception as error:  # noqa: BLE001  (a plugin may raise anything, and must not stop the others)
            broken[name] = f"{type(error).__name__}: {error}"
    order = sorted(abouts)
    return Registry({n: packages[n] for n in order}, {n: abouts[n] for n in order}, broken)


def _candidates() -> Iterator[tuple[str, str]]:
    """Names and packages. The folders here come first, so that a plugin cannot take their names."""
    for found in pkgutil.iter_modules(__path__):
        if found.ispkg:
            yield found.name.replace("_", "-"), f"{__name__}.{found.name}"
    if _plugins_are_possible():
        from importlib import metadata

        for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: p.name):
            yield point.name, point.value


def _plugins_are_possible() -> bool:
    """Whether a package on the path may hold plugins. `importlib.metadata` takes ten times as long to find out."""
    folders = [Path(p) for p in sys.path]
    if any(f.is_file() for f in folders):
        return True  # an archive
    return any(GROUP.encode() in p.read_bytes() for f in folders for p in f.glob("*-info/entry_points.txt"))


def _about(name: str, package: str, others: dict[str, About]) -> About:
    """The package's ABOUT, checked. Raises any exception if something is wrong with it."""
    about = importlib.import_module(package).ABOUT
    if not isinstance(about, About):
        raise TypeError("ABOUT is not a stegcli.about.About")
    if about.name != name or name in others:
        raise ValueError(f"the name {about.name!r} is taken" if name in others else f"its ABOUT names {about.name!r}")
    for command in COMMANDS:
        for option in declared(getattr(about, command)):
            _check_option(option, command, others)
    return about


def _check_option(option: Declared, command: Command, others: dict[str, About]) -> None:
    """Raises ValueError if a flag takes a value with one method and none with another."""
    for other in others.values():
        for theirs in declared(getattr(other, command)):
            if theirs.flag == option.flag and theirs.is_flag != option.is_flag:
                raise ValueError(f"its option --{option.flag} is not the one of {other.name}")


def names() -> list[str]:
    """The names of all methods, sorted."""
    return list(registry().abouts)


def default(cover: bool, survive: str = "png") -> str:
    """The method for which nobody asked: by whether there is a cover, and what the stego must survive."""
    if not cover:
        return DEFAULT
    return DEFAULT_WITH_COVER if survive == "png" else DEFAULT_SURVIVING


def about(name: str) -> About:
    """Name of a method -> its ABOUT. Raises UsageError if there is no such method."""
    found = registry()
    if name in found.broken:
        raise UsageError(f"the method {name} cannot be loaded", found.broken[name])
    if name not in found.abouts:
        raise UsageError(f"no method {name!r}", f"methods: {', '.join(names())}")
    return found.abouts[name]


def abouts() -> list[About]:
    return list(registry().abouts.values())


def broken() -> dict[str, str]:
    """Plugins that could not be loaded, each with the reason."""
    return registry().broken


def module(name: str, part: str) -> ModuleType:
    """Name of a method and `method`, `recipe` or `measure` -> that module of its package. Raises UsageError."""
    about(name)
    return importlib.import_module(f"{registry().packages[name]}.{part}")


def has_module(name: str, part: str) -> bool:
    return importlib.util.find_spec(f"{registry().packages[name]}.{part}") is not None


def build(name: str, **config: Any) -> Method:
    """Name of a method and the configuration in its weights -> the method, its networks not built yet."""
    from stegcli.method import Method

    built = module(name, "method").build(**config)
    if not isinstance(built, Method):
        raise UsageError(f"the method {name} cannot be used", "its build() does not return a stegcli.method.Method")
    return built


def recipes(name: str) -> dict[str, Any]:
    """Name of a method -> its recipes (`stegcli.recipe.Recipe`) by part. Raises UsageError if it has no networks."""
    if not about(name).parts:
        raise UsageError(f"{name} has no networks to train")
    found: dict[str, Any] = module(name, "recipe").RECIPES
    return found


def takers(command: Command, flag: str) -> list[str]:
    """The methods that take a given option of a command."""
    return [a.name for a in abouts() if any(d.flag == flag for d in declared(getattr(a, command)))]
