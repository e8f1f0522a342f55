"""weights.toml -> a verified file -> a loaded method; and tensors -> a weights file.

Weights are safetensors whose own metadata say what they are: `method`, `config` (JSON, rebuilds the network)
and `training` (JSON). weights.toml says where the file of a revision is, its hash, and its measured quality. The
tensors are read when a method first needs its networks; until then nothing here imports torch. weights.toml:

    [lossless-inn]
    default = "NAME"            the revision for new keys
    alias = { SHORT = "NAME" }
    [lossless-inn.NAME]         one revision; a released one never changes, new ones are added
    file = "x.safetensors"      in stegcli/pretrained; or, for a file on a hub:
    repo = "OWNER/REPO"         with revision = "full commit hash" and file = "path in the repo"
    sha256, bytes, licence, [..training], [..quality]
    facets = { coder = "coset" }   the values of options, such as --coder, that choose this revision

A method outside weights.toml (a plugin) has one revision, "none": `build()` makes it without tensors.
A revision without `file` has no tensors of its own; its `config` is in weights.toml. A revision, with or without
`file`, may borrow parts of another method's weights:

    borrows = "METHOD/NAME"     the lender, a revision with a file
    parts = ["g2"]              the parts to take, configuration and tensors; `config` and own parts override them
"""

from __future__ import annotations

import functools
import hashlib
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stegcli import hub, methods
from stegcli.errors import UsageError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stegcli.method import Method

Held = TypeVar("Held")
PACKAGE = Path(__file__).parent
PRETRAINED = PACKAGE / "pretrained"
FILE_PREFIX = "sha256:"
"""Prefix of the name of a weights file outside weights.toml in a key; the file's hash follows."""
NONE = "none"
"""The revision of a method outside weights.toml: a plugin without weights, or with weights of its own."""


@dataclass(frozen=True)
class Trained:
    """Contents of weights. files: name and bytes of each file, and the parts to take from it (empty: all parts)."""

    method: str
    config: dict[str, Any]
    training: dict[str, Any]
    files: tuple[tuple[str, bytes, tuple[str, ...]], ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor. Raises WeightsError if the files are damaged."""
        from safetensors.torch import load

        return self._held(load)

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays, without torch."""
        from safetensors.numpy import load

        return self._held(load)

    def _held(self, load: Callable[[bytes], dict[str, Held]]) -> dict[str, Held]:
        from safetensors import SafetensorError

        found: dict[str, Held] = {}
        for name, data, parts in self.files:
            try:
                held = load(data)
            except (SafetensorError, ValueError, KeyError, TypeError) as error:
                raise _damaged(name) from error
            found |= {n: t for n, t in held.items() if not parts or n.partition(".")[0] in parts}
        return found


@dataclass(frozen=True)
class Entry:
    """One revision in weights.toml."""

    method: str
    name: str
    file: str | None
    sha256: str | None
    bytes: int
    licence: str
    repo: str | None = None
    revision: str | None = None
    facets: dict[str, str] = field(default_factory=dict)
    borrows: str | None = None
    parts: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)


def manifest_path() -> Path:
    """weights.toml: inside the package in a wheel, beside it in a checkout."""
    inside = PACKAGE / "weights.toml"
    return inside if inside.exists() else PACKAGE.parent / "weights.toml"


@functools.lru_cache(maxsize=4)
def _manifest(path: Path) -> dict[str, Any]:
    try:
        import tomllib

        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path.name}: {error}", "install stego again") from error


def entries(method: str | None = None) -> list[Entry]:
    """All revisions of one method, or of all methods."""
    table = _manifest(manifest_path())
    wanted = [method] if method else sorted(table)
    return [
        Entry(method=m, name=n, **{"file": None, "sha256": None, "bytes": 0, "licence": "", **e})
        for m in wanted
        for n, e in table.get(m, {}).items()
        if n not in ("default", "alias")
    ]


def default_name(method: str) -> str:
    """The revision for new keys of this method."""
    table = _manifest(manifest_path()).get(method)
    if table is None:
        return NONE
    if "default" not in table:
        raise WeightsError(f"no weights of {method} in weights.toml")
    return str(table["default"])


def aliases(method: str) -> dict[str, str]:
    """Aliases -> revisions. A key names the revision itself, so an alias may later point to a better revision."""
    return dict(_manifest(manifest_path()).get(method, {}).get("alias", {}))


def entry(method: str, name: str) -> Entry:
    """A revision by name or alias. Raises WeightsError if weights.toml does not name it."""
    name = aliases(method).get(name, name)
    for found in entries(method):
        if found.name == name:
            return found
    if name == default_name(method) == NONE:
        return Entry(method, NONE, None, None, 0, "")
    known = ", ".join(e.name for e in entries(method))
    raise WeightsError(f"this stego has no weights {name!r} of {method}", f"it has: {known}" if known else None)


def pick_device(wanted: str) -> str:
    """Check that a device is auto, cpu, or cuda where CUDA is available, and return it. Raises UsageError."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no device {wanted!r}", "auto, cpu or cuda")
    if wanted == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("no CUDA device here", "use --device auto or cpu")
    return wanted


def by_facets(method: str, asked: Mapping[str, str], named: str | None = None) -> str | None:
    """Options such as `--coder coset`, and the weights that the user named -> the name of the weights, None for any.

    Without named weights: the default if it fits, else the revision that the value is an alias of, else the first that
    fits. Raises UsageError if a facet has no such value, or if the named weights have another value.
    """
    if not asked:
        return named
    for facet, value in asked.items():
        known = list(dict.fromkeys(e.facets[facet] for e in entries(method) if facet in e.facets))
        if value not in known:
            raise UsageError(f"--{facet} takes no {value!r}", f"one of {', '.join(known)}")
    if named is not None:
        check_facets(method, identity(method, named), asked, f"--weights {named} are", "leave one of the two out")
        return named
    fitting = [e.name for e in entries(method) if asked.items() <= e.facets.items()]
    if not fitting:
        raise UsageError(f"no weights of {method} are {' and '.join(asked.values())}", "see stego weights list")
    short = aliases(method)
    preferred = [default_name(method), *(short[v] for v in asked.values() if v in short)]
    return next((n for n in preferred if n in fitting), fitting[0])


def check_facets(method: str, name: str, asked: Mapping[str, str], what: str, hint: str) -> None:
    """Check that weights match the facets. what: subject and verb of the error message. Raises UsageError."""
    held = {} if name.startswith(FILE_PREFIX) else entry(method, name).facets
    for facet, value in asked.items():
        if held.get(facet, value) != value:
            raise UsageError(f"{what} for the {facet} {held[facet]}, not for {value}", hint)


def load(method: str, weights: str | Path = "default", device: str = "cpu", named: str | None = None) -> Method:
    """Name of a method, and name of a revision or path of a file -> the method; its networks are built at first use.

    named: the name of the weights in a key. A file must match it; the file is hashed and parsed from the same bytes, so
    that it cannot change in between. Raises WeightsError if the file is missing, differs from what the key or
    weights.toml says, or does not fit this version.
    """
    name = default_name(method) if weights == "default" else str(weights)
    if is_file_name(name):
        data = _bytes(Path(name))
        if named is not None and _fingerprint(data) != named:
            raise _other_file(name)
        return _build(parse(data, Path(name).name), method, device)
    found = entry(method, name)
    if found.name == NONE:
        return _made(method, {}, device)
    if found.borrows:
        return _build(_borrowed(found), method, device)
    if found.file is None:
        return _build(Trained(method, found.config, {}), method, device)
    return _build(parse(verified_bytes(found), found.name), method, device)


def holder(found: Entry) -> Entry:
    """The revision whose file is read: the lender if it borrows, else itself."""
    if not found.borrows:
        return found
    method, _, name = found.borrows.partition("/")
    return entry(method, name)


def _borrowed(found: Entry) -> Trained:
    """The parts that a revision borrows from the lender's verified file, and its own parts."""
    lender = holder(found)
    lent = parse(verified_bytes(lender), lender.name)
    missing = [p for p in found.parts if p not in lent.config]
    if missing:
        raise WeightsError(f"weights {lender.method} {lender.name} have no {', '.join(missing)}", "install stego again")
    own = parse(verified_bytes(found), found.name) if found.file else Trained(found.method, {}, lent.training)
    config = {p: lent.config[p] for p in found.parts} | own.config | found.config
    borrowed = tuple((name, data, tuple(found.parts)) for name, data, _ in lent.files)
    return Trained(own.method, config, own.training, borrowed + own.files)


def is_file_name(name: str) -> bool:
    return name.endswith(".safetensors")


def identity(method: str, weights: str) -> str:
    """The name of these weights in a key: the name of the revision, or the hash of a file."""
    if weights == "default":
        return default_name(method)
    if is_file_name(weights):
        return _fingerprint(_bytes(Path(weights)))
    return entry(method, weights).name


def _fingerprint(data: bytes) -> str:
    return FILE_PREFIX + hashlib.sha256(data).hexdigest()[:48]


def resolve(method: str, named: str, given: str | None) -> str:
    """The weights that the key names, and the file or name from the user (or None) -> the weights to load.

    Raises UsageError if the two are different weights, WeightsError if a file has changed since the key was made.
    """
    if given is None:
        if named.startswith(FILE_PREFIX):
            raise WeightsError("this key is for a weights file of your own", "name it with --weights FILE")
        return named
    if identity(method, given) != named:
        if named.startswith(FILE_PREFIX) and is_file_name(given):
            raise _other_file(given)
        raise UsageError(f"the key is for weights {named}, not for {given}")
    return given


def _other_file(name: str) -> WeightsError:
    return WeightsError(f"weights {name} are not those the key was made for (sha256 differs)")


def verified_bytes(found: Entry) -> bytes:
    """The bytes of a revision, bundled or fetched from its hub, checked against weights.toml."""
    data = _bytes(locate(found))
    if hashlib.sha256(data).hexdigest() != found.sha256:
        hint = "stego weights fetch --force" if found.repo else "install stego again"
        raise WeightsError(f"weights {found.method} {found.name} are corrupt (sha256 differs)", hint)
    return data


def locate(found: Entry, force: bool = False) -> Path:
    """The path of a revision's file, which is fetched first if it is not here yet."""
    if found.file is None:
        raise ValueError(f"{found.name} has no file")
    if found.repo is None:
        return PRETRAINED / found.file
    return _fetch(found, force)


def _fetch(found: Entry, force: bool) -> Path:
    assert found.repo is not None
    assert found.file is not None
    what = f"the file of the weights {found.method} {found.name}"
    return hub.fetch(found.repo, found.file, found.revision, what, "stego weights fetch", force)


def read(path: Path) -> Trained:
    """A weights file -> what it holds. Raises WeightsError."""
    return parse(_bytes(path), path.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {path.name}: {(error.strerror or str(error)).lower()}") from error


def parse(data: bytes, name: str) -> Trained:
    """The bytes of a weights file -> its contents. Only the header is parsed here, not the tensors."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        facts = header.pop("__metadata__")
        config, training = json.loads(facts["config"]), json.loads(facts["training"])
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if not (isinstance(config, dict) and isinstance(training, dict) and len(data) == 8 + length + end):
            raise TypeError("config and training are objects, and the tensors fill the file")
        return Trained(facts["method"], config, training, ((name, data, ()),))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _damaged(name) from error


def _damaged(name: str) -> WeightsError:
    return WeightsError(f"{name} is not a weights file of stego, or is damaged")


def _build(trained: Trained, method: str, device: str) -> Method:
    if trained.method != method:
        raise WeightsError(f"these are weights of {trained.method}, not of {method}")
    built = _made(method, trained.config, device)
    built.tensors, built.arrays = trained.tensors, trained.arrays
    return built


def _made(method: str, config: Mapping[str, Any], device: str) -> Method:
    try:
        built = methods.build(method, **config)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"weights do not fit this version: {textwrap.shorten(str(error), 200)}") from error
    built.device = pick_device(device)
    return built


def pack(method: str, config: dict[str, Any], tensors: dict[str, Tensor], training: dict[str, Any]) -> bytes:
    """Tensors and facts about them -> the bytes of a weights file."""
    from safetensors.torch import save as to_safetensors

    facts = {"method": method, "config": json.dumps(config), "training": json.dumps(training), "format": "pt"}
    return to_safetensors(tensors, facts)
