"""weights.toml -> a verified file -> a method ready to use; and the way back.

Weights are safetensors whose own metadata say what they are: `method`, `config` (JSON, rebuilds the network)
and `training` (JSON). weights.toml says where a revision lies, which bytes it has, and how good it was measured. The
tensors are read when a method first needs its networks; until then nothing here imports torch:

    [lossless-inn]
    default = "NAME"            what a new key names
    alias = { SHORT = "NAME" }
    [lossless-inn.NAME]         one revision; never changed once released, only added to
    file = "x.safetensors"      in stegcli/pretrained; or, once it is published on a hub:
    repo = "OWNER/REPO"         with revision = "full commit hash" and file = "path in the repo"
    sha256, bytes, licence, [..training], [..quality]
    facets = { coder = "coset" }   what options such as --coder choose it by

A revision without `file` needs no tensors; its `config` stands in weights.toml. Or it borrows parts of another
method's, besides those of its own file if it has one:

    borrows = "METHOD/NAME"     the lender, a revision with a file
    parts = ["g2"]              whose configurations and tensors are taken; its own, and `config`, stand over them
"""

from __future__ import annotations

import functools
import hashlib
import json
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stegcli import __version__, methods
from stegcli.errors import FileError, UsageError, WeightsError
from stegcli.method import Method

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).parent
PRETRAINED = PACKAGE / "pretrained"
FILE_PREFIX = "sha256:"
"""A key made for a weights file outside weights.toml names it by its hash."""


@dataclass(frozen=True)
class Trained:
    """What a weights file holds. files: the bytes of each file, with the parts that are taken of it, all if empty."""

    method: str
    config: dict[str, Any]
    training: dict[str, Any]
    files: tuple[tuple[bytes, tuple[str, ...]], ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor. Raises WeightsError if the files are damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load as from_safetensors

        found: dict[str, Tensor] = {}
        try:
            for data, parts in self.files:
                held = from_safetensors(data)
                found |= {n: t for n, t in held.items() if not parts or n.partition(".")[0] in parts}
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise WeightsError("the weights are no safetensors, or are damaged") from error
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
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path.name}: {error}", "install stego again") from error


def entries(method: str | None = None) -> list[Entry]:
    """All revisions of one method, or of all."""
    table = _manifest(manifest_path())
    wanted = [method] if method else sorted(table)
    return [
        Entry(method=m, name=n, **{"file": None, "sha256": None, "bytes": 0, "licence": "", **e})
        for m in wanted
        for n, e in table.get(m, {}).items()
        if n not in ("default", "alias")
    ]


def default_name(method: str) -> str:
    """The revision that a new key of this method names."""
    table = _manifest(manifest_path()).get(method, {})
    if "default" not in table:
        raise WeightsError(f"no weights of {method} in weights.toml")
    return str(table["default"])


def aliases(method: str) -> dict[str, str]:
    """Short names -> revisions. A key names the revision, so an alias may move on to a better one."""
    return dict(_manifest(manifest_path()).get(method, {}).get("alias", {}))


def entry(method: str, name: str) -> Entry:
    """A revision by name or alias. Raises WeightsError if weights.toml does not name it."""
    name = aliases(method).get(name, name)
    for found in entries(method):
        if found.name == name:
            return found
    known = ", ".join(e.name for e in entries(method))
    raise WeightsError(f"this stego has no weights {name!r} of {method}", f"it has: {known}" if known else None)


def pick_device(wanted: str) -> str:
    """auto, cpu or cuda -> the same. Raises UsageError for other words, and for cuda where there is none."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no device {wanted!r}", "auto, cpu or cuda")
    if wanted == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("no CUDA device here", "use --device auto or cpu")
    return wanted


def by_facets(method: str, asked: Mapping[str, str], named: str | None = None) -> str | None:
    """Options such as `--coder coset`, and the weights that the user named -> the weights' name, or None for any.

    Without named weights, the default if it is such a one, else the first of weights.toml. Raises UsageError if a
    facet has no such value, or if the named weights are of another.
    """
    if not asked:
        return named
    for facet, value in asked.items():
        known = list(dict.fromkeys(e.facets[facet] for e in entries(method) if facet in e.facets))
        if value not in known:
            raise UsageError(f"--{facet} takes no {value!r}", f"one of {', '.join(known)}")
    if named is not None:
        check_facets(method, identity(method, named), asked, f"--weights {named}")
        return named
    fitting = [e.name for e in entries(method) if asked.items() <= e.facets.items()]
    if not fitting:
        raise UsageError(f"no weights of {method} are {' and '.join(asked.values())}", "see stego weights list")
    default = default_name(method)
    return default if default in fitting else fitting[0]


def check_facets(method: str, name: str, asked: Mapping[str, str], what: str) -> None:
    """Whether weights are what the facets ask for. what: that which named them. Raises UsageError."""
    held = {} if name.startswith(FILE_PREFIX) else entry(method, name).facets
    for facet, value in asked.items():
        if held.get(facet, value) != value:
            raise UsageError(f"{what} has the {facet} {held[facet]}, not {value}", f"leave --{facet} out")


def load(method: str, weights: str | Path = "default", device: str = "cpu") -> Method:
    """Method's name and a revision's name, or a file's path -> the method; its networks are built at first use.

    Raises WeightsError if the file is missing, is not what weights.toml says, or does not fit this version.
    """
    name = default_name(method) if weights == "default" else str(weights)
    if is_file_name(name):
        return _build(read(Path(name)), method, device)
    found = entry(method, name)
    if found.borrows:
        return _build(_borrowed(found), method, device)
    if found.file is None:
        return _build(Trained(method, found.config, {}), method, device)
    return _build(_parse(verified_bytes(found), found.name), method, device)


def holder(found: Entry) -> Entry:
    """The revision whose file is read: the one that it borrows of, or itself."""
    if not found.borrows:
        return found
    method, _, name = found.borrows.partition("/")
    return entry(method, name)


def _borrowed(found: Entry) -> Trained:
    """The parts that a revision borrows, of the lender's verified file, and those of its own."""
    lender = holder(found)
    lent = _parse(verified_bytes(lender), lender.name)
    missing = [p for p in found.parts if p not in lent.config]
    if missing:
        raise WeightsError(f"weights {lender.method} {lender.name} have no {', '.join(missing)}", "install stego again")
    own = _parse(verified_bytes(found), found.name) if found.file else Trained(found.method, {}, lent.training)
    config = {p: lent.config[p] for p in found.parts} | own.config | found.config
    borrowed = tuple((data, tuple(found.parts)) for data, _ in lent.files)
    return Trained(own.method, config, own.training, borrowed + own.files)


def is_file_name(name: str) -> bool:
    return name.endswith(".safetensors")


def identity(method: str, weights: str) -> str:
    """What a key calls these weights: the revision's name, or for a file its hash."""
    if weights == "default":
        return default_name(method)
    if is_file_name(weights):
        return FILE_PREFIX + hashlib.sha256(_bytes(Path(weights))).hexdigest()[:48]
    return entry(method, weights).name


def resolve(method: str, named: str, given: str | None) -> str:
    """What the key names, and the file or name the user gave (or None) -> what to load.

    Raises UsageError if the two are not the same weights, WeightsError if a file has other bytes than it had then.
    """
    if given is None:
        if named.startswith(FILE_PREFIX):
            raise WeightsError("this key is for a weights file of your own", "name it with --weights FILE")
        return named
    if identity(method, given) != named:
        if named.startswith(FILE_PREFIX) and is_file_name(given):
            raise WeightsError(f"weights {given} are not those the key was made for (sha256 differs)")
        raise UsageError(f"the key is for weights {named}, not for {given}")
    return given


def verified_bytes(found: Entry) -> bytes:
    """The bytes of a revision, bundled or fetched from its hub, checked against weights.toml."""
    data = _bytes(locate(found))
    if hashlib.sha256(data).hexdigest() != found.sha256:
        hint = "stego weights fetch --force" if found.repo else "install stego again"
        raise WeightsError(f"weights {found.method} {found.name} are corrupt (sha256 differs)", hint)
    return data


def locate(found: Entry, force: bool = False) -> Path:
    """Where the file of a revision lies, fetched first if it is not here yet."""
    if found.file is None:
        raise ValueError(f"{found.name} has no file")
    if found.repo is None:
        return PRETRAINED / found.file
    return _fetch(found, force)


def _fetch(found: Entry, force: bool) -> Path:
    """Through huggingface-hub and its cache: HF_HOME, HF_HUB_OFFLINE and HF_ENDPOINT hold."""
    from huggingface_hub import errors as hub
    from huggingface_hub import hf_hub_download

    assert found.repo is not None
    assert found.file is not None
    what = f"weights {found.method} {found.name}"
    # What the hub's package itself lets through: httpx's errors, or those of the fork that newer releases use.
    transport_error: type[Exception] = hub.HTTPError  # type: ignore[attr-defined]
    try:
        return Path(hf_hub_download(found.repo, found.file, revision=found.revision, force_download=force))
    except hub.LocalEntryNotFoundError as error:
        raise WeightsError(f"{what} are not here and cannot be fetched", "once online: stego weights fetch") from error
    except hub.HfHubHTTPError as error:
        raise WeightsError(f"{what}: the hub does not give them", str(error).partition("\n")[0]) from error
    except (transport_error, OSError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise WeightsError(f"{what}: fetching failed: {said}", "try again: stego weights fetch") from error


def read(path: Path) -> Trained:
    """A weights file -> what it holds. Raises WeightsError."""
    return _parse(_bytes(path), path.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {path.name}: {(error.strerror or str(error)).lower()}") from error


def _parse(data: bytes, name: str) -> Trained:
    """The bytes of a weights file -> what its header says. The tensors are left alone."""
    try:
        length = int.from_bytes(data[:8], "little")
        facts = json.loads(data[8 : 8 + length])["__metadata__"]
        config, training = json.loads(facts["config"]), json.loads(facts["training"])
        if not (isinstance(config, dict) and isinstance(training, dict)):
            raise TypeError("config and training are objects")
        return Trained(facts["method"], config, training, ((data, ()),))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{name} is not a weights file of stego, or is damaged") from error


def _build(trained: Trained, method: str, device: str) -> Method:
    if trained.method != method:
        raise WeightsError(f"these are weights of {trained.method}, not of {method}")
    try:
        built = methods.build(method, **trained.config)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"weights do not fit this version: {textwrap.shorten(str(error), 200)}") from error
    built.device = pick_device(device)
    built.tensors = trained.tensors
    return built


def pack(method: str, config: dict[str, Any], tensors: dict[str, Tensor], training: dict[str, Any]) -> bytes:
    """-> the bytes of a weights file."""
    from safetensors.torch import save as to_safetensors

    facts = {"method": method, "config": json.dumps(config), "training": json.dumps(training), "format": "pt"}
    return to_safetensors(tensors, facts)


def export(folder: Path, method: str | None = None) -> list[Path]:
    """Write one folder per revision, ready to upload to a hub: the file, config.json and a model card.

    Those without a file of their own have nothing to be uploaded.
    """
    written = []
    for found in entries(method):
        if found.file is None:
            continue
        data = verified_bytes(found)
        config = {"method": found.method, "config": _parse(data, found.name).config}
        target = folder / f"stego-{found.method}-{found.name}"
        try:
            target.mkdir(parents=True, exist_ok=False)
            (target / Path(found.file).name).write_bytes(data)
            (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
            (target / "README.md").write_text(_card(found), encoding="utf-8")
        except OSError as error:
            raise FileError(f"cannot write {target}: {(error.strerror or str(error)).lower()}") from error
        written.append(target)
    return written


def _card(found: Entry) -> str:
    def table(facts: dict[str, Any]) -> str:
        return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())])

    assert found.file is not None
    return f"""---
license: {found.licence.lower()}
library_name: stegcli
---
# {found.method}, {found.name}

Weights of the method `{found.method}` of the command-line tool `stego` (PyPI: `stegcli` {__version__}).
sha256 `{found.sha256}`, {found.bytes} bytes.

## Training
{table(found.training)}

## Measured quality
{table(found.quality)}

## Use
In `weights.toml`:

```toml
[{found.method}.{found.name}]
repo = "OWNER/REPO"
revision = "COMMIT"
file = "{Path(found.file).name}"
sha256 = "{found.sha256}"
```
"""
