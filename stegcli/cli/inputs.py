"""Names on the command line -> the files, keys and outputs of each job."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stegcli import files, methods, weights
from stegcli.about import About
from stegcli.cli import console
from stegcli.cli.console import say
from stegcli.errors import FileError, UsageError
from stegcli.files import STDIO
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.pictures import formats


@dataclass(frozen=True)
class Named:
    """The files of `hide`.

    groups: the secrets of each stego. keys: paths; empty if fresh keys will be made. receivers: whether every secret of
    a group is for a different receiver.
    """

    groups: tuple[tuple[str, ...], ...]
    outputs: tuple[str, ...]
    keys: tuple[str, ...]
    batch: bool
    receivers: bool

    @property
    def to_stdout(self) -> bool:
        return self.outputs[0] == STDIO


def named_for_hide(
    secrets: list[str] | None, receivers: list[str] | None, key: list[str], output: str | None, about: About,
    key_flag: str | None, unnamed: str = "PNG",
) -> Named:  # fmt: skip
    """Arguments of `hide` -> the files of each stego. Raises UsageError.

    key_flag: the option that names the path of a fresh key, if the user gave it. unnamed: the format of the files of a
    batch.
    """
    meant = _secrets(secrets, receivers)
    together = bool(receivers) or _goes_together(meant, output, about)
    batch = not together and is_batch(meant, output)
    to_stdout = not batch and _to_stdout(output)
    _check_keys(key, receivers, meant if together else meant[:1], about)
    if key_flag is not None and (key or batch or len(meant) > 1):
        raise UsageError(f"--{key_flag} makes its own key, for one stego", "leave --key and the other secrets out")
    to_stream = to_stdout or (not batch and files.is_stream(output or STDIO))
    if about.keyed and to_stream and not key and key_flag is None:
        raise UsageError("without -o there is no place to write a fresh key beside", "give --key KEY or -o OUT")
    outputs = batch_outputs(meant, output, formats.SUFFIXES[unnamed]) if batch else [output or STDIO]
    groups = [tuple(meant)] if together else [(s,) for s in meant]
    return Named(tuple(groups), tuple(outputs), tuple(key), batch, bool(receivers))


def _secrets(secrets: list[str] | None, receivers: list[str] | None) -> list[str]:
    if receivers and secrets:
        raise UsageError("a secret stands outside --secret")
    if not receivers and not secrets:
        raise UsageError("no secret", "stego hide FILE -o OUT.png")
    return receivers or secrets or []


def _goes_together(secrets: list[str], output: str | None, about: About) -> bool:
    """Whether several secrets go into one stego: one output, and a method that can do it with one key or none."""
    one_key = about.shares_key or not about.keyed
    return len(secrets) > 1 and about.most_secrets > 1 and one_key and not names_folder(output)


def _check_keys(given: list[str], receivers: list[str] | None, together: list[str], about: About) -> None:
    if given and not about.keyed:
        raise UsageError(f"{about.name} takes no key" + _in_this_form(about), "leave --key out")
    if receivers and len(receivers) > about.most_secrets:
        raise UsageError(f"{about.name} hides at most {about.most_secrets} secrets in a stego, not {len(receivers)}")
    if receivers and given and len(given) != len(receivers) and not (about.shares_key and len(given) == 1):
        raise UsageError(f"{len(receivers)} secrets and {len(given)} keys", "each --secret takes a --key of its own")
    if len(given) > 1 and not receivers:
        hint = "several receivers: --secret A --key A.npy --secret B --key B.npy"
        raise UsageError("several keys for one secret", hint)
    if len(together) > about.most_secrets:
        raise UsageError(f"{about.name} hides at most {about.most_secrets} secrets in a stego, not {len(together)}")
    if len(set(given)) < len(given):
        raise UsageError("one key for two secrets", "each --secret takes a --key of its own")


def _in_this_form(about: About) -> str:
    """For a method that takes a key in its other forms."""
    return " in this form" if methods.about(about.name).keyed else ""


def check_stdin(*names: str | None) -> None:
    if names.count(STDIO) > 1:
        raise UsageError("standard input can be only one of the inputs")


def _to_stdout(output: str | None) -> bool:
    if output is None and console.stdout_is_terminal():
        raise UsageError("standard output is a terminal", "give -o OUT.png")
    return output in (None, STDIO)


# -- keys


class Passphrases:
    """Asks for the passphrase of each wrapped key, once in a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def of(self, path: str) -> Callable[[], str]:
        def ask() -> str:
            with self._lock:
                if path not in self._known:
                    hint = "a key that is wrapped opens on a terminal only"
                    self._known[path] = console.ask_passphrase(f"passphrase of {path}", hint=hint)
                return self._known[path]

        return ask


def refuse_own(outputs: Sequence[str], used: Sequence[str | None]) -> None:
    """Refuse outputs that are inputs too: the cover, the key, the stego. Raises UsageError."""
    for output in outputs:
        for name in used:
            if name is not None and STDIO not in (output, name) and _is_same(output, name):
                raise UsageError(f"output {output} is an input too", "give another -o")


def _is_same(one: str, other: str) -> bool:
    try:
        return Path(one).is_file() and Path(one).samefile(other)
    except OSError:
        return False


def key_of_environment() -> list[str]:
    return [os.environ["STEGO_KEY"]] if os.environ.get("STEGO_KEY") else []


def key_dir(given: str | None, about: About, held: bool, key_flag: str | None) -> str | None:
    """--key-dir, or else STEGO_KEY_DIR -> the folder for the key files that hide writes; None for that of the output.

    held: whether the user gave all keys, so that none is written. key_flag: the option that names a fresh key's path,
    if it was given. Raises UsageError for a --key-dir that means nothing. The environment is then ignored.
    """
    useless = held or not about.keyed or key_flag is not None
    if given is None:
        return None if useless else os.environ.get("STEGO_KEY_DIR") or None
    if given == "":
        raise UsageError("the name of the key folder is empty")
    if not about.keyed:
        raise UsageError(f"{about.name} takes no key", "leave --key-dir out")
    if useless:
        other = "the key is given" if held else f"--{key_flag} names the key file"
        raise UsageError(f"--key-dir is for fresh keys, and {other}", "leave one of them out")
    return given


def chosen_method(held: tuple[Key, ...], method: str | None, cover: str | None, survive: str) -> str:
    """The key's method, else the named one, else the default for that cover and channel. Raises UsageError."""
    if method is not None:
        methods.about(method)
    if held:
        for key in held:
            check_key(key, method)
        return held[0].method
    return method or methods.default(bool(cover), survive)


def check_key(key: Key, wanted: str | None) -> None:
    """Raises UsageError if the key is for a method that is not installed, or for another method than `wanted`."""
    if wanted and key.method != wanted:
        raise UsageError(f"the key is for {key.method}, not for {wanted}")
    if key.method not in methods.names():
        hint = f"methods: {', '.join(methods.names())}"
        raise UsageError(f"the key is for {key.method}, which this stego lacks", hint)


def check_held(held: tuple[Key, ...], facets: dict[str, str]) -> None:
    """Check that the keys can share one stego, and that their weights match the facets. Raises UsageError."""
    if len({(k.method, k.weights) for k in held}) > 1:
        raise UsageError("the keys are for different methods or weights")
    if len({k.secret for k in held}) < len(held):
        raise UsageError("one key for two secrets", "each --secret takes a --key of its own")
    if facets:
        again = f"stego keygen {' '.join(f'--{f} {v}' for f, v in facets.items())}"
        hint = f"leave --{next(iter(facets))} out, or make a key with {again}"
        weights.check_facets(held[0].method, held[0].weights, facets, "the key is", hint)


def key_maker(held: tuple[Key, ...], about: About, named: str | None) -> Callable[[int], tuple[Key, ...]]:
    """Returns a function: number of keys -> the user's keys, or new fresh keys at each call.

    Fresh keys draw the same cover if the method needs that. Raises UsageError if the user's keys draw different covers.
    """
    if held:
        if about.shares_cover and len({k.cover_secret() for k in held}) > 1:
            raise UsageError("the keys draw different covers", "make the others with stego keygen --with FIRST.npy")
        return lambda count: held
    if not about.keyed:
        return lambda count: ()
    name = weights.identity(about.name, named or "default")

    def fresh(count: int) -> tuple[Key, ...]:
        first = keys.generate(about.name, name)
        more = (keys.beside(first) if about.shares_cover else keys.generate(about.name, name) for _ in range(count - 1))
        return (first, *more)

    return fresh


def beside(output: str) -> Path:
    """out.png -> out.key.npy"""
    return Path(output).with_suffix(".key.npy")


def fresh_paths(output: str, count: int, folder: str | None = None) -> tuple[str, ...]:
    """The paths of fresh keys: out.key.npy, or for several receivers out.1.key.npy, out.2.key.npy, ...

    folder: where they go, None for the folder of the output.
    """
    place = output if folder is None else str(Path(folder) / Path(output).name)
    if count == 1:
        return (str(beside(place)),)
    return tuple(str(Path(place).with_suffix(f".{i + 1}.key.npy")) for i in range(count))


# -- outputs and batches


def check_outputs(paths: list[Path], force: bool) -> None:
    """Check that the outputs differ and can be written. Raises UsageError, FileError."""
    if len({p.absolute() for p in paths}) < len(paths):
        raise UsageError(f"stego and key would both be {paths[0]}")
    files.check_writable(paths, force)


def names_folder(output: str | None) -> bool:
    if output == "":
        raise UsageError("the name of the output is empty")
    return output is not None and output != STDIO and (output.endswith("/") or is_folder(output))


def is_batch(inputs: list[str], output: str | None) -> bool:
    folder = names_folder(output)
    if len(inputs) > 1 and not folder:
        raise UsageError("several inputs need -o FOLDER/")
    if folder and STDIO in inputs:
        raise UsageError("standard input cannot be part of a batch")
    return folder


def is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # the name is too long: opening it gives the error message
        return False


def batch_outputs(inputs: list[str], folder: str | None, suffix: str) -> list[str]:
    """a.txt -> FOLDER/a.png; where two inputs would get the same output, FOLDER/a.txt.png."""
    stems = [Path(i).stem for i in inputs]
    names = [s if stems.count(s) == 1 else Path(i).name for i, s in zip(inputs, stems, strict=True)]
    for name, meant in zip(names, inputs, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{meant} and another input would both become {name}{suffix}")
    return [str(Path(folder or ".") / f"{n}{suffix}") for n in names]


def as_cover(output: str, cover: str | None, about: About) -> str:
    """The name of an output in a batch -> a JPEG name, if the cover is a JPEG and the method keeps it one."""
    stays = about.keeps_jpeg and cover is not None and Path(cover).suffix.lower() in formats.LOSSY
    return str(Path(output).with_suffix(".jpg")) if stays else output


def covers_for(cover: str | None, count: int) -> list[str | None]:
    """The cover of each stego. In a batch: a folder with one for each, or one file for all, with a warning."""
    if cover is None:
        return [None] * count
    if not is_folder(cover):
        if count > 1:
            say(f"warning: {cover} is the cover of {count} stegos; a comparison shows where they differ")
        return [cover] * count
    from stegcli.data import list_pictures

    found: list[str | None] = [str(p) for p in list_pictures(Path(cover))]
    if len(found) < count:
        raise UsageError(f"{count} secrets need {count} covers, {cover} has {len(found)}")
    return found[:count]


@contextlib.contextmanager
def made_folder(folder: str | None, private: bool = False) -> Iterator[None]:
    """Make a folder for outputs, and remove it again if it stays empty. private: for this user alone."""
    if folder is None or is_folder(folder):
        yield
        return
    try:
        Path(folder).mkdir(0o700 if private else 0o777, parents=True)
    except OSError as error:
        raise FileError(f"cannot make folder {folder}: {(error.strerror or str(error)).lower()}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def nth(options: Any, index: int, about: About) -> Any:
    """Options of the first stego of a batch under one key -> those of stego `index`, with its own message number."""
    return replace(options, number=options.number + index) if about.numbered and options.number is not None else options


def check_quality(quality: int | None, outputs: tuple[str, ...], about: About, unnamed: str = "PNG") -> None:
    """Raises UsageError if a quality is given, and not all outputs are JPEGs. unnamed: the format if none is named."""
    if quality is None:
        return
    if not about.writes_lossy:
        writers = ", ".join(a.name for a in methods.abouts() if a.writes_lossy)
        raise UsageError(f"--quality means nothing to {about.name}", f"methods that take it: {writers}")
    found = (unnamed if formats.says_none(o) else formats.LOSSY.get(Path(o).suffix.lower()) for o in outputs)
    if any(format != "JPEG" for format in found):
        hint = "-o OUT.jpg, or --survive jpeg:Q for a PNG that may become one"
        raise UsageError("--quality needs a JPEG output", hint)
