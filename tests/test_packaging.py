"""What is built installs and works far from the checkout, from a wheel and as an editable install alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image as Pillow

from stegcli import __version__, weights

ROOT = Path(__file__).parent.parent
DEPENDENCIES = Path(sysconfig.get_paths()["purelib"])
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("STEGO_", "PYTHON"))} | {"OMP_NUM_THREADS": "1"}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_its_weights_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        assert archive.read("stegcli/weights.toml") == (ROOT / "weights.toml").read_bytes()
    package = ROOT / "stegcli"
    sources = {p.relative_to(ROOT).as_posix() for p in package.rglob("*.py")}
    bundled = {f"stegcli/pretrained/{e.file}" for e in weights.entries() if e.file and e.repo is None}
    facts = f"stegcli-{__version__}.dist-info"
    about = {f"{facts}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    shared = {f"stegcli-{__version__}.data/data/share/man/man1/stego.1"}
    data = {"stegcli/weights.toml", "stegcli/pictures/lattice.xz"}
    assert held == sources | bundled | about | shared | data


def test_a_wheel_is_the_same_bytes_wherever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """Built again from the sdist: in another folder, with other times and modes, by another umask."""
    build = (sys.executable, "-m", "hatchling", "build", "-d")
    run(*build, tmp_path, "-t", "sdist", cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = tmp_path / sdist.name.removesuffix(".tar.gz")
    for index, path in enumerate(sorted(tree.rglob("*"))):
        os.utime(path, (10**9 + index, 10**9 + index))
        if path.is_file():
            path.chmod(0o600)
    before = os.umask(0o077)
    try:
        run(*build, tmp_path, "-t", "wheel", cwd=tree)
    finally:
        os.umask(before)
    (again,) = tmp_path.glob("*.whl")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def pins() -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement in requirements-dev.lock, and its hashes."""
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.startswith("#"):
            wanted, *hashes = re.split(r"\s+--hash=", line)
            yield Requirement(wanted), [h.strip() for h in hashes]


def test_the_lock_pins_every_package_by_hash_and_names_no_index() -> None:
    for pin, hashes in pins():
        assert pin.url is None
        assert [s.operator for s in pin.specifier] == ["=="], f"{pin} is no pin"
        assert hashes, f"{pin} has no hash"
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", h) for h in hashes)


def test_the_lock_holds_what_pyproject_asks_for() -> None:
    """Run `make lock` after a change of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["dev"], *extras["bench"]]
    locked: dict[str, list[str]] = {}
    for pin, _ in pins():
        locked.setdefault(canonicalize_name(pin.name), []).append(next(iter(pin.specifier)).version)
    for wanted in map(Requirement, asked):
        versions = locked.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not in the lock"
        assert all(wanted.specifier.contains(v) for v in versions), f"{wanted} and {versions}"


def fresh_environment(folder: Path) -> Path:
    """-> the scripts of an environment that sees this one's packages, but not its editable install of stego."""
    venv.create(folder, with_pip=False)
    paths = sysconfig.get_paths("venv", vars={"base": str(folder), "platbase": str(folder)})
    # As a plain path: with site.addsitedir() the .pth files there, and with them the checkout, would count too.
    (Path(paths["purelib"]) / "dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    return Path(paths["scripts"])


def install(scripts: Path, *what: str | Path) -> None:
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--ignore-installed")
    run(scripts / "python", "-m", "pip", "install", *options, *what, cwd=scripts)


def draw_cover(path: Path) -> Path:
    noise = np.random.default_rng(0).normal(128, 30, (96, 96, 3))
    Pillow.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)
    return path


def check_that_it_works(scripts: Path, away: Path, origin: Path) -> None:
    """stego, in a folder far from the checkout: the right copy, whole, and able to hide and reveal."""
    away.mkdir()
    stego = scripts / "stego"
    found = run(scripts / "python", "-c", "import stegcli; print(stegcli.__file__)", cwd=away).stdout
    assert Path(found.strip()).is_relative_to(origin)
    assert run(stego, "--version", cwd=away).stdout == f"stego {__version__}\n"
    run(stego, "weights", "verify", cwd=away)
    (away / "secret.txt").write_bytes(b"meet at noon")
    draw_cover(away / "cover.png")
    run(stego, "hide", "secret.txt", "--method", "lossless-inn", "--cover", "cover.png", "-o", "out.png", cwd=away)
    run(stego, "reveal", "out.png", "--key", "out.key.npy", "-o", "back.txt", cwd=away)
    assert (away / "back.txt").read_bytes() == b"meet at noon"


def test_an_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    scripts = fresh_environment(tmp_path / "env")
    install(scripts, wheel)
    check_that_it_works(scripts, tmp_path / "away", origin=tmp_path / "env")


def test_an_editable_install_works(tmp_path: Path) -> None:
    scripts = fresh_environment(tmp_path / "env")
    install(scripts, "-e", ROOT)
    check_that_it_works(scripts, tmp_path / "away", origin=ROOT)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["hide", "--help"], ["train", "--help"]])
def test_help_does_not_load_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom stegcli.cli import app as cli\nsys.argv = ['stego', *sys.argv[1:]]\n"
        "try:\n    cli.main()\nexcept SystemExit as ended:\n"
        "    assert not ended.code\n    assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "else:\n    raise AssertionError('main() returned')\n"
    )
    assert run(sys.executable, "-c", code, *arguments, cwd=tmp_path).stdout


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["version"]["path"] == "stegcli/version.py"
    assert "version" in project["project"]["dynamic"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for pattern in (r"\bstego (\d+\.\d+\.\d+)\b", r"\bstegcli[-=]+(\d+\.\d+\.\d+)\b"):
        assert set(re.findall(pattern, readme)) <= {__version__}


def test_the_licence_is_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]
