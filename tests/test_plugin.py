"""A method in a package of its own: the example of CONTRIBUTING.md, built, installed and driven as a process."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cli_helpers import check_error, photo, save

from stegcli import methods, weights
from stegcli.errors import UsageError

ROOT = Path(__file__).parent.parent
HEADING = "## A method in a package of its own"
FILES = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSTALL = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
           "--disable-pip-version-check")  # fmt: skip


def example() -> str:
    """The page's section, up to the next of its rank."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.split(r"^## ", page.partition(HEADING)[2], flags=re.MULTILINE)[0]


class Place:
    """A folder to work in, and another with plugins that stego sees."""

    def __init__(self, folder: Path, plugins: Path):
        self.folder, self.plugins = folder, plugins
        save(folder / "scan.png", photo(64, 64))
        (folder / "report.pdf").write_bytes(b"%PDF one page")

    def stego(self, *argv: object, status: int = 0) -> subprocess.CompletedProcess[bytes]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STEGO_")}
        environment = kept | {"PYTHONPATH": os.pathsep.join([str(self.plugins), str(ROOT)])}
        command = [sys.executable, "-m", "stegcli", *map(str, argv)]
        ended = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, timeout=60, check=False)
        assert ended.returncode == status, ended.stderr.decode()
        return ended

    def json(self, *argv: object) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stego(*argv, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installs the example into. torch cannot be imported beside it."""
    source, target = tmp_path_factory.mktemp("stego-plane"), tmp_path_factory.mktemp("installed")
    for name, text in FILES.findall(example()):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    command = [sys.executable, *INSTALL, "--target", str(target), str(source)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    (target / "torch.py").write_text("raise ImportError('a method without networks needs no torch')\n")
    return target


@pytest.fixture
def place(installed: Path, tmp_path: Path) -> Place:
    return Place(tmp_path, installed)


def test_the_page_holds_the_whole_package() -> None:
    names = [name for name, _ in FILES.findall(example())]
    assert names == [
        "pyproject.toml",
        "stego_plane/__init__.py",
        "stego_plane/options.py",
        "stego_plane/method.py",
    ]


def test_the_commands_of_the_page(place: Place) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", example(), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert lines[0] == ["pip", "install", "./stego-plane"]
    for line in lines[1:]:
        assert line[0] == "stego"
        assert b"warning" not in place.stego(*line[1:]).stderr
    assert (place.folder / "back.pdf").read_bytes() == (place.folder / "report.pdf").read_bytes()


def test_methods_lists_the_plugin_and_help_shows_its_options(place: Place) -> None:
    (listed,) = place.json("methods")
    assert set(methods.names()) | {"plane"} == set(listed)
    assert listed["plane"]["does"] == "any file in one bit plane of your own picture"
    assert "Options of plane" in place.stego("hide", "--help").stdout.decode()


def test_its_options_count_at_hide_and_at_reveal(place: Place) -> None:
    hide = ("hide", "report.pdf", "--method", "plane", "--cover", "scan.png")
    (figures,) = place.json(*hide, "--plane", 2, "-o", "out.png")
    assert (figures["method"], figures["weights"], figures["verified"]) == ("plane", "none", True)
    assert figures["capacity_bytes"] == 64 * 64 * 3 // 8 - 32
    wrong = place.stego("reveal", "out.png", "--key", "out.key.npy", status=4)
    check_error(wrong.stderr.decode().partition("\n")[2], "nothing revealed")
    right = place.stego("reveal", "out.png", "--key", "out.key.npy", "--plane", 2)
    assert right.stdout == b"%PDF one page"


def test_what_is_wrong_is_said_before_anything_is_written(place: Place) -> None:
    hide = ("hide", "report.pdf", "--cover", "scan.png", "-o", "out.png")
    out_of_range = place.stego(*hide, "--method", "plane", "--plane", 4, status=2)
    check_error(out_of_range.stderr.decode(), "--plane 4 is out of range")
    foreign = place.stego(*hide, "--plane", 1, status=2).stderr.decode()
    check_error(foreign, "--plane means nothing to lossless-inn")
    assert "stego: hint: methods that take it: plane" in foreign
    theirs = place.stego(*hide, "--method", "plane", "--grain", 1, status=2).stderr.decode()
    check_error(theirs, "--grain means nothing to plane")
    assert "methods that take it: cs-fnns" in theirs
    assert not (place.folder / "out.png").exists()


def test_a_batch_and_its_capacity(place: Place) -> None:
    for number in range(2):
        (place.folder / f"{number}.txt").write_bytes(b"letter %d" % number)
    place.stego("keygen", "--method", "plane", "-o", "key.npy", "--quiet")
    rows = place.json("hide", "0.txt", "1.txt", "--key", "key.npy", "--cover", "scan.png", "--plane", 1, "-o", "out/")
    assert [(r["input"], r["exit"], r["weights"]) for r in rows] == [("0.txt", 0, "none"), ("1.txt", 0, "none")]
    back = place.json("reveal", "out/0.png", "out/1.png", "--key", "key.npy", "--plane", 1, "-o", "back/")
    assert [(r["method"], r["bytes"]) for r in back] == [("plane", 8), ("plane", 8)]
    assert (place.folder / "back" / "1.bin").read_bytes() == b"letter 1"
    (rooms,) = place.json("capacity", "scan.png", "--method", "plane")
    assert rooms["rooms"][0]["capacity_bytes"] == 64 * 64 * 3 // 8 - 32


# -- plugins that are broken

ABOUT = """
from stegcli.about import About
from stegcli.options import NoOptions
ABOUT = About(name="{name}", summary="", carries=frozenset({{"bytes"}}), cover="given")
"""


def put(plugins: Path, name: str, init: str, **modules: str) -> None:
    """A plugin as an installer lays it down: a package, and the entry point that names it."""
    package = plugins / name.replace("-", "_")
    package.mkdir()
    for module, text in ({"__init__": init} | modules).items():
        (package / f"{module}.py").write_text(textwrap.dedent(text).format(name=name))
    facts = plugins / f"{package.name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{methods.GROUP}]\n{name} = {package.name}\n")


def test_broken_plugins_are_named_and_stop_nothing(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    place = Place(tmp_path, plugins)
    put(plugins, "no-import", "import a_package_that_is_not_here\n")
    put(plugins, "no-about", "ABOUT = 'a method'\n")
    put(plugins, "no-options", ABOUT.replace('cover="given"', 'cover="given", hide=dict'))
    put(plugins, "other-name", ABOUT.replace("{name}", "glow2"))
    put(plugins, "no-method", ABOUT, method="def build():\n    return object()\n")
    listed = place.stego("methods", "--json")
    assert set(json.loads(listed.stdout)) == {*methods.names(), "no-method"}
    said = listed.stderr.decode().splitlines()
    reasons = {line.split(" ")[4]: line for line in said if line.startswith("stego: warning: the plugin ")}
    assert set(reasons) == {"no-import", "no-about", "no-options", "other-name"}
    assert len(said) == len(reasons)
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_here'" in reasons["no-import"]
    assert "ABOUT is not a stegcli.about.About" in reasons["no-about"]
    assert "its ABOUT names 'glow2'" in reasons["other-name"]
    hide = ("hide", "report.pdf", "--cover", "scan.png", "-o", "out.png", "--method")
    for name, message in (("no-import", "cannot be loaded"), ("no-method", "cannot be used")):
        refused = place.stego(*hide, name, status=2).stderr.decode()
        assert f"stego: error: the method {name} {message}" in refused
        assert not (tmp_path / "out.png").exists()
    place.stego(*hide, "lossless-inn")


def test_a_method_without_weights_has_the_revision_none() -> None:
    assert weights.default_name("elsewhere") == weights.identity("elsewhere", "default") == weights.NONE
    found = weights.entry("elsewhere", weights.NONE)
    assert (found.file, found.facets, found.quality) == (None, {}, {})
    with pytest.raises(UsageError, match="no method 'elsewhere'"):
        weights.load("elsewhere")
