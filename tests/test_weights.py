"""weights.toml -> a file with the right bytes -> a method; how that can fail; and the hub, on a local server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_helpers import ok
from cli_helpers import run as command
from safetensors.torch import save as to_safetensors
from torch import Tensor
from toys import register

from stegcli import methods, publish, weights
from stegcli.about import About
from stegcli.errors import FileError, RevealError, UsageError, WeightsError
from stegcli.method import Asked, Draft, Method, Request, Revealed
from stegcli.pictures.image import Picture

METHOD = "lossless-inn"
TINY = [
    pytest.param(name, config, id=f"{name}-{number}")
    for name in methods.names()
    if methods.has_module(name, "recipe")
    for number, config in enumerate(methods.module(name, "recipe").TINY)
]


def state(method: Method) -> dict[str, Tensor]:
    return {} if method.networks is None else dict(method.networks.state_dict())


def tiny(method: str = METHOD, config: dict[str, Any] | None = None, seed: int = 0) -> Method:
    """A method with random weights, no two of them alike."""
    built = methods.build(method, **(config or methods.module(method, "recipe").TINY[0]))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in state(built).values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=draw))
    return built


def packed(built: Method, **changes: Any) -> bytes:
    facts = {"method": built.name, "config": built.config, "tensors": state(built), "training": {}}
    return weights.pack(**(facts | changes))


class Shelf:
    """A weights.toml and a folder of bundled weights of its own."""

    def __init__(self, folder: Path):
        self.manifest, self.pretrained = folder / "weights.toml", folder / "pretrained"
        self.pretrained.mkdir()

    def put(self, data: bytes, name: str = "one-1", method: str = METHOD, **facts: str) -> bytes:
        """Bundle a file, and name it."""
        (self.pretrained / f"{name}.safetensors").write_bytes(data)
        self.name_file(data, name, method, **{"file": f"{name}.safetensors"} | facts)
        return data

    def name_file(self, data: bytes, name: str, method: str, **facts: str) -> None:
        facts = {"licence": "Apache-2.0", "sha256": hashlib.sha256(data).hexdigest(), **facts}
        self.manifest.write_text(
            f'[{method}]\ndefault = "{name}"\nalias = {{ short = "{name}" }}\n\n'
            + f"[{method}.{name}]\nbytes = {len(data)}\n"
            + "".join(f"{k} = {json.dumps(v)}\n" for k, v in facts.items())
            + f"\n[{method}.{name}.training]\nminutes = 30\n\n[{method}.{name}.quality]\npsnr = 61.5\n"
        )
        weights._manifest.cache_clear()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    monkeypatch.setattr(weights, "PRETRAINED", made.pretrained)
    monkeypatch.setattr(weights, "manifest_path", lambda: made.manifest)
    yield made
    weights._manifest.cache_clear()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def refused(call: Callable[[], object], match: str) -> WeightsError:
    with pytest.raises(WeightsError, match=match) as caught:
        call()
    error = caught.value
    assert error.exit_code == 6
    assert "\n" not in str(error) + (error.hint or "")
    return error


# -- the weights.toml that is released


@pytest.mark.parametrize("found", weights.entries(), ids=lambda e: f"{e.method}-{e.name}")
def test_every_revision_is_what_weights_toml_says_and_loads(found: weights.Entry) -> None:
    assert found.licence
    if found.repo is not None:
        assert len(found.revision or "") == 40, "a hub's revision must be a whole commit hash, which never moves"
        return
    if found.file is not None:
        data = weights.verified_bytes(found)
        assert len(data) == found.bytes
        assert hashlib.sha256(data).hexdigest() == found.sha256
    loaded = weights.load(found.method, found.name)
    assert loaded.name == found.method
    if loaded.networks is not None:
        assert not loaded.networks.training
        assert not any(p.requires_grad for p in loaded.networks.parameters())


@pytest.mark.parametrize("method", methods.names())
def test_every_method_has_a_default_and_aliases_that_lead_somewhere(method: str) -> None:
    known = {e.name for e in weights.entries(method)}
    assert weights.default_name(method) in known
    assert set(weights.aliases(method).values()) <= known
    assert not set(weights.aliases(method)) & known


def test_weights_toml_names_methods_that_exist() -> None:
    assert {e.method for e in weights.entries()} <= set(methods.names())


def test_every_bundled_file_is_named() -> None:
    bundled = {p.name for p in weights.PRETRAINED.glob("*.safetensors")}
    assert bundled == {e.file for e in weights.entries() if e.file and e.repo is None}


def test_weights_toml_is_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.manifest_path().is_file()
    package = tmp_path / "stegcli"
    package.mkdir()
    monkeypatch.setattr(weights, "PACKAGE", package)
    assert weights.manifest_path() == tmp_path / "weights.toml"
    (package / "weights.toml").touch()
    assert weights.manifest_path() == package / "weights.toml"


# -- files that are right


@pytest.mark.parametrize(("method", "config"), TINY)
def test_what_is_saved_loads_as_it_was(shelf: Shelf, method: str, config: dict[str, Any]) -> None:
    built = tiny(method, config)
    shelf.put(packed(built, training={"steps": 3}), method=method)
    loaded = weights.load(method)
    assert type(loaded) is type(built)
    assert loaded.config == built.config
    assert same(state(loaded), state(built))
    assert weights.read(shelf.pretrained / "one-1.safetensors").training == {"steps": 3}


def test_half_precision_files_load_as_float32(shelf: Shelf) -> None:
    halves = {n: t.half() for n, t in state(tiny()).items()}
    shelf.put(packed(tiny(), tensors=halves))
    assert all(t.dtype == torch.float32 for t in state(weights.load(METHOD)).values())


def test_default_alias_name_and_path_are_the_same_weights(shelf: Shelf) -> None:
    shelf.put(packed(tiny()))
    wanted = state(weights.load(METHOD, "one-1"))
    for name in ("default", "short", str(shelf.pretrained / "one-1.safetensors")):
        assert same(state(weights.load(METHOD, name)), wanted)
    assert weights.identity(METHOD, "default") == weights.identity(METHOD, "short") == "one-1"
    assert weights.entry(METHOD, "short").name == "one-1"


# -- parts of another method's file


BORROWER = """
[borrower]
default = "two-1"

[borrower.two-1]
borrows = "lossless-inn/one-1"
parts = ["net"]
licence = "Apache-2.0"
config = { extra = 7 }
"""


class Borrower(Method):
    """Has one part of the lender's, and one setting of its own."""

    about = About("borrower", "borrows", frozenset({"bytes"}), "generated")

    def __init__(self, net: dict[str, int], extra: int = 0):
        super().__init__({"net": net, "extra": extra})
        self.size = net["size"]

    def build_networks(self) -> torch.nn.Module:
        return torch.nn.ModuleDict({"net": torch.nn.Linear(self.size, 1)})

    def capacity(self, request: Request) -> int:
        return 0

    def drafts(self, request: Request) -> Iterator[Draft]:
        yield from ()

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        raise RevealError


@pytest.fixture
def borrower(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A lender with two parts, `net` and `other`; `lossless-inn` lends them."""
    tensors = {"net.weight": torch.ones(1, 3), "net.bias": torch.zeros(1), "other.net.weight": torch.zeros(2)}
    config = {"net": {"size": 3}, "other": {}, "extra": 1}
    shelf.put(packed(tiny(), tensors=tensors, config=config))
    lend(shelf, BORROWER)
    register(monkeypatch, Borrower)
    return shelf


def lend(shelf: Shelf, entry: str) -> None:
    shelf.manifest.write_text(shelf.manifest.read_text() + entry)
    weights._manifest.cache_clear()


def test_parts_are_borrowed_with_their_configuration(borrower: Shelf) -> None:
    loaded = weights.load("borrower")
    assert loaded.config == {"net": {"size": 3}, "extra": 7}
    assert same(state(loaded), {"net.weight": torch.ones(1, 3), "net.bias": torch.zeros(1)})
    assert loaded.networks is not None
    assert not any(p.requires_grad for p in loaded.networks.parameters())
    found = weights.entry("borrower", "two-1")
    assert (weights.holder(found).method, weights.holder(found).name) == (METHOD, "one-1")
    assert weights.holder(weights.holder(found)) == weights.holder(found)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:-1] + b"x"), "weights lossless-inn one-1 are corrupt"),
        (Path.unlink, r"one-1\.safetensors: no such file"),
    ],
)
def test_what_is_wrong_with_a_lender_is_said(borrower: Shelf, spoil: Callable[[Path], None], message: str) -> None:
    spoil(borrower.pretrained / "one-1.safetensors")
    refused(lambda: weights.load("borrower"), message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["net"]', '["net", "gone"]', "weights lossless-inn one-1 have no gone"),
        ('["net"]', "[]", "weights do not fit this version"),
        ("inn/one-1", "inn/none-1", "no weights 'none-1' of lossless-inn"),
        ("extra = 7", "later = 7", "weights do not fit this version"),
    ],
)
def test_what_cannot_be_borrowed(borrower: Shelf, old: str, new: str, message: str) -> None:
    borrower.manifest.write_text(borrower.manifest.read_text().replace(old, new))
    weights._manifest.cache_clear()
    refused(lambda: weights.load("borrower"), message)


def test_a_borrower_has_nothing_to_export(borrower: Shelf, tmp_path: Path) -> None:
    assert publish.export(tmp_path / "out", "borrower") == []
    assert [f.name for f in publish.export(tmp_path / "out")] == ["stego-lossless-inn-one-1"]


def test_commands_know_borrowers(borrower: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "names", lambda: ["borrower", METHOD])
    listed = ok("weights", "list", "--json").json["borrower/two-1"]
    assert (listed["source"], listed["bytes"]) == ("of lossless-inn one-1", "0")
    assert ok("weights", "verify", "--json", "borrower").json == {"borrower/two-1": True}
    assert "borrower two-1: of lossless-inn one-1" in ok("weights", "fetch", "borrower").err
    (borrower.pretrained / "one-1.safetensors").unlink()
    assert command("weights", "verify", "borrower").status == 6


# -- files and names that are wrong


def test_a_revision_that_is_not_named(shelf: Shelf) -> None:
    shelf.put(packed(tiny()))
    assert refused(lambda: weights.load(METHOD, "two-2"), "has no weights 'two-2' of").hint == "it has: one-1"
    with pytest.raises(UsageError, match="no method 'other'"):
        weights.load("other")


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty"])
def test_a_spoilt_bundled_file_is_corrupt(shelf: Shelf, spoil: str) -> None:
    data = shelf.put(packed(tiny()))
    spoilt = {"flip": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-9], "empty": b""}[spoil]
    (shelf.pretrained / "one-1.safetensors").write_bytes(spoilt)
    assert refused(lambda: weights.load(METHOD), "are corrupt").hint == "install stego again"


def test_a_bundled_file_that_is_missing(shelf: Shelf) -> None:
    shelf.put(packed(tiny()))
    (shelf.pretrained / "one-1.safetensors").unlink()
    refused(lambda: weights.load(METHOD), "one-1.safetensors: no such file")


@pytest.mark.parametrize(
    "data",
    [b"", b"not weights at all", b"\xff" * 64, packed(tiny())[:-9], packed(tiny())[:40]],
    ids=["empty", "text", "ones", "cut", "start"],
)
def test_a_file_that_is_not_weights(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(data)
    refused(lambda: weights.load(METHOD, str(path)), r"own.safetensors is not a weights file of stego, or is damaged")


def test_safetensors_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(to_safetensors({"a": torch.zeros(1)}))
    refused(lambda: weights.load(METHOD, str(path)), "is not a weights file of stego")


def test_weights_of_another_method(shelf: Shelf) -> None:
    shelf.put(packed(tiny(), method="glow9"))
    refused(lambda: weights.load(METHOD), "these are weights of glow9, not of lossless-inn")


@pytest.mark.parametrize("config", [{"unknown": 1}, {"coder": "later"}, {"blocks": "many"}])
def test_a_configuration_of_a_later_version(shelf: Shelf, config: dict[str, Any]) -> None:
    built = tiny()
    shelf.put(packed(built, config=built.config | config))
    refused(lambda: weights.load(METHOD).networks, "this")


@pytest.mark.parametrize("wrong", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit(shelf: Shelf, wrong: str) -> None:
    built = tiny()
    tensors = state(built)
    first = next(iter(tensors))
    if wrong == "missing":
        del tensors[first]
    else:
        tensors["extra.weight" if wrong == "extra" else first] = torch.zeros(2)
    shelf.put(packed(built, tensors=tensors))
    error = refused(lambda: weights.load(METHOD).networks, "weights do not fit this version")
    assert ("extra.weight" if wrong == "extra" else first) in str(error)


@pytest.mark.parametrize("text", ["[broken", "\xff\xfe"])
def test_a_damaged_weights_toml(shelf: Shelf, text: str) -> None:
    shelf.manifest.write_bytes(text.encode("latin-1"))
    weights._manifest.cache_clear()
    refused(lambda: weights.load(METHOD), "cannot read weights.toml")


# -- weights files of one's own


def test_a_key_names_a_file_by_its_hash(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.safetensors", tmp_path / "other.safetensors"
    mine.write_bytes(packed(tiny()))
    other.write_bytes(packed(tiny(seed=1)))
    named = weights.identity(METHOD, str(mine))
    assert named == "sha256:" + hashlib.sha256(mine.read_bytes()).hexdigest()[:48]
    assert weights.resolve(METHOD, named, str(mine)) == str(mine)
    assert (
        refused(lambda: weights.resolve(METHOD, named, None), "file of your own").hint == "name it with --weights FILE"
    )
    refused(lambda: weights.resolve(METHOD, named, str(tmp_path / "absent.safetensors")), "no such file")
    refused(lambda: weights.resolve(METHOD, named, str(other)), "not those the key was made for")


def test_a_key_names_a_revision(shelf: Shelf) -> None:
    shelf.put(packed(tiny()))
    assert weights.resolve(METHOD, "one-1", None) == "one-1"
    assert weights.resolve(METHOD, "one-1", "short") == "short"
    with pytest.raises(UsageError, match="the key is for weights older-1, not for short"):
        weights.resolve(METHOD, "older-1", "short")


# -- export


def test_export_writes_folders_ready_to_upload(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.put(packed(tiny()))
    (folder,) = publish.export(tmp_path / "out")
    assert folder == tmp_path / "out" / "stego-lossless-inn-one-1"
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "one-1.safetensors"]
    assert (folder / "one-1.safetensors").read_bytes() == data
    config = json.loads((folder / "config.json").read_text())
    assert config == {"method": METHOD, "config": tiny().config}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    for fact in (hashlib.sha256(data).hexdigest(), f"{len(data)} bytes", "| minutes | 30 |", "| psnr | 61.5 |"):
        assert fact in card


def test_export_replaces_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(packed(tiny()))
    publish.export(tmp_path / "out")
    with pytest.raises(FileError, match="file exists"):
        publish.export(tmp_path / "out")


def test_export_of_corrupt_weights_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(packed(tiny()))
    (shelf.pretrained / "one-1.safetensors").write_bytes(b"other")
    refused(lambda: publish.export(tmp_path / "out"), "are corrupt")
    assert not (tmp_path / "out").exists()


# -- the hub

REPO, REVISION, FILE = "owner/repo", "0123456789" * 4, "sub/one.safetensors"
COMMAND = """
import sys, time
from pathlib import Path
from stegcli import weights
from stegcli.cli import app

manifest = Path(sys.argv.pop(1))
weights.manifest_path = lambda: manifest
time.sleep = lambda seconds: None  # huggingface_hub waits between its attempts
app.main()
"""


class Hub(ThreadingHTTPServer):
    """What hf_hub_download asks for: HEAD and GET of OWNER/REPO/resolve/REVISION/FILE."""

    daemon_threads = True

    def __init__(self, good: bytes):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.good = self.sent = good
        self.fault: str | None = None
        self.gets = 0


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        if self.server.fault == "unwell":
            self._answer(503, b"")
        elif self.path != f"/{REPO}/resolve/{REVISION}/{FILE}" or self.server.fault == "absent":
            self._answer(404, b"", "EntryNotFound")
        else:
            self._answer(200, self.server.sent)

    def do_GET(self) -> None:
        self.server.gets += 1
        if self.server.fault != "broken":
            self.do_HEAD()
            self.wfile.write(self.server.sent)
            return
        self.close_connection = True
        if "Range" not in self.headers:
            self.do_HEAD()
            self.wfile.write(self.server.sent[: len(self.server.sent) // 2])

    def _answer(self, status: int, body: bytes, error: str | None = None) -> None:
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha256(self.server.good).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def good() -> bytes:
    return packed(tiny())


@pytest.fixture
def hub(good: bytes) -> Iterator[Hub]:
    with Hub(good) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Stego = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stego(hub: Hub, shelf: Shelf, tmp_path: Path, good: bytes) -> Stego:
    """Runs `stego` where weights.toml names one revision on the local hub, with a cache of its own."""
    shelf.name_file(good, "one-1", METHOD, repo=REPO, revision=REVISION, file=FILE)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "STEGO_"))}
        command = [sys.executable, "-c", COMMAND, str(shelf.manifest), *arguments]
        everything = inherited | settings | environment
        return subprocess.run(command, env=everything, capture_output=True, text=True, timeout=60, check=False)

    return run


def fails(ended: subprocess.CompletedProcess[str], message: str) -> None:
    assert ended.returncode == 6, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("stego: error:")]
    assert len(lines) == 1, ended.stderr
    assert message in lines[0]
    assert "Traceback" not in ended.stderr


def test_what_was_fetched_once_loads_offline(hub: Hub, stego: Stego) -> None:
    fails(stego("weights", "verify", HF_HUB_OFFLINE="1"), "is not here and cannot be fetched")
    fetched = stego("weights", "fetch")
    assert fetched.returncode == 0, fetched.stderr
    offline = stego("weights", "verify", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert "one-1" in offline.stderr
    assert hub.gets == 1


def test_a_hub_that_cannot_be_reached(hub: Hub, stego: Stego) -> None:
    fails(stego("weights", "verify", HF_ENDPOINT="http://127.0.0.1:1"), "is not here and cannot be fetched")
    assert hub.gets == 0


def test_a_wrong_byte_is_found_and_fetched_anew(hub: Hub, stego: Stego, good: bytes) -> None:
    hub.sent = good[:-1] + bytes([good[-1] ^ 1])
    wrong = stego("weights", "fetch")
    fails(wrong, "are corrupt (sha256 differs)")
    assert "hint: stego weights fetch --force" in wrong.stderr
    hub.sent = good
    assert stego("weights", "fetch", "--force").returncode == 0
    assert stego("weights", "verify", HF_HUB_OFFLINE="1").returncode == 0


def test_a_broken_transfer_leaves_nothing_that_looks_whole(hub: Hub, stego: Stego) -> None:
    hub.fault = "broken"
    fails(stego("weights", "fetch"), "fetching failed")
    fails(stego("weights", "verify", HF_HUB_OFFLINE="1"), "is not here")
    hub.fault = None
    assert stego("weights", "verify").returncode == 0


@pytest.mark.parametrize(
    ("fault", "message"), [("absent", "does not give it"), ("unwell", "weights lossless-inn one-1")]
)
def test_a_hub_without_the_file(hub: Hub, stego: Stego, fault: str, message: str) -> None:
    hub.fault = fault
    fails(stego("weights", "fetch"), message)
