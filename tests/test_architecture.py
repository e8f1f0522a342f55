"""The order of the house: who may import whom, and what no module does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stegcli
from stegcli import methods

ROOT = Path(stegcli.__file__).parent

# From the ground up. A module imports from lower lines only; those of one line do not know each other.
# A folder counts as one: its own modules may import each other. A new module takes its place here.
LAYERS = (
    ("errors", "nn", "guard", "progress", "schedule", "version"),
    ("disk", "options", "threads"),
    ("files", "hub"),
    ("about", "keys", "pictures", "checkpoint"),
    ("coding",),
    ("detectors",),
    ("method",),
    ("slots", "recipe", "pairs"),
    ("methods.*",),
    ("methods",),
    ("data", "weights"),
    ("api", "training", "rooms", "publish"),
    ("measuring", "python", "inspection", "remote"),
    ("",),
    ("cli",),
    ("__main__",),
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(ROOT.rglob("*.py"))


def dotted(path: Path) -> str:
    """File -> module name below stegcli, '' for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path) for path in FILES}


def unit(module: str) -> str:
    """Module -> what it counts as: one method, the folder nn, or itself."""
    parts = module.split(".")
    if parts[0] == "methods":
        return ".".join(parts[:2])
    return parts[0]


def height(module: str) -> int:
    name = unit(module)
    return HEIGHT["methods.*" if name.startswith("methods.") else name]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes: ast.AST) -> Iterator[str]:
    """All modules imported anywhere below, in functions and for type checking too."""
    for node in ast.walk(nodes):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("stegcli.") in MODULES
                yield whole if is_module else str(node.module)


def own_imports(path: Path) -> set[str]:
    """The modules of stegcli that a file imports."""
    found = (name for name in imports(tree(path)) if name.split(".")[0] == "stegcli")
    return {name.partition(".")[2] for name in found}


def by_name(path: Path) -> str:
    return dotted(path) or "stegcli"


each_file = pytest.mark.parametrize("path", FILES, ids=by_name)


def test_files_are_found() -> None:
    assert {"", "cli.app", "coding.payload", "nn.flow", "methods.lossless_inn.net"} <= MODULES


def test_imports_are_understood() -> None:
    source = (
        "import a.b\nfrom stegcli.keys import key as k\nfrom stegcli import __version__\n"
        "if TYPE_CHECKING:\n from stegcli.nn.flow import F\n"
    )
    assert set(imports(ast.parse(source))) == {"a.b", "stegcli.keys.key", "stegcli", "stegcli.nn.flow"}
    assert unit("methods.lossless_inn.net") == "methods.lossless_inn"
    assert unit("nn.flow") == "nn"


@each_file
def test_module_has_its_place(path: Path) -> None:
    name = unit(dotted(path))
    assert name.startswith("methods.") or name in HEIGHT, f"give {name} its place in LAYERS"


@each_file
def test_imports_go_downward(path: Path) -> None:
    module = dotted(path)
    upward = {i for i in own_imports(path) if unit(i) != unit(module) and height(i) >= height(module)}
    assert not upward, f"{module} imports {upward}"


@each_file
def test_methods_do_not_import_each_other(path: Path) -> None:
    module = dotted(path)
    if module.startswith("methods."):
        others = {i for i in own_imports(path) if i.startswith("methods") and unit(i) != unit(module)}
        assert not others


@each_file
def test_nn_imports_torch_and_numpy_alone(path: Path) -> None:
    if unit(dotted(path)) == "nn":
        allowed = {"torch", "numpy", "stegcli", *sys.stdlib_module_names}
        assert {name.split(".")[0] for name in imports(tree(path))} <= allowed
        assert {unit(name) for name in own_imports(path)} <= {"nn"}


def test_command_line_starts_without_torch() -> None:
    code = "import sys; from stegcli.cli.app import assembled; assembled(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registry_lists_methods_without_torch() -> None:
    code = "import sys; from stegcli import methods; assert methods.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_revealing_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Every import delays every `stego reveal`."""
    others = ("torch", "rich", "rich_click", "importlib.metadata", "stegcli.pictures.jpeg")
    code = f"""
import atexit, os, sys
from stegcli.cli import app
atexit.register(lambda: print(*[m for m in {others} if m in sys.modules]))
app.main()
"""
    golden = [str(ROOT.parent / "tests" / "golden" / name) for name in ("coset-3.png", "coset-3.key.npy")]
    argv = ["reveal", golden[0], "--key", golden[1], "-o", str(tmp_path / "secret"), "--quiet"]
    ended = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")


# -- nobody outside methods/ knows a method

NAMES = set(methods.names())
KNOWS_DEFAULTS = "methods"  # the one module that names the two defaults


def strings(path: Path) -> Iterator[str]:
    """Every string of a module, but for docstrings, which may give examples."""
    nodes = tree(path)
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(n.body[0].value) for n in ast.walk(nodes) if isinstance(n, described) and is_text(n.body[0])}
    docs |= {id(n.value) for n in ast.walk(nodes) if is_text(n)}
    yield from (
        n.value
        for n in ast.walk(nodes)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs
    )


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_docstrings_are_not_taken_for_strings(tmp_path: Path) -> None:
    source = tmp_path / "m.py"
    source.write_text('"""doc"""\nX = "a"\n"""about X"""\ndef f():\n    """doc"""\n    return f"b{X}"\n')
    assert list(strings(source)) == ["a", "b"]


@each_file
def test_no_module_outside_methods_names_a_method(path: Path) -> None:
    module = dotted(path)
    if module.startswith("methods."):
        return
    examples = set(module_constants(path, "EXAMPLES"))
    named = {s for s in strings(path) if s not in examples and any(n in s for n in NAMES)}
    if module == KNOWS_DEFAULTS:
        assert named == {methods.DEFAULT, methods.DEFAULT_WITH_COVER, methods.DEFAULT_SURVIVING}
    elif module == "":
        assert named == {methods.DEFAULT_WITH_COVER}  # the default of keygen, which a signature shows
    else:
        assert not named
    imported = {i for i in own_imports(path) if i.startswith("methods.")}
    assert not imported, f"{module} imports {imported}"


def module_constants(path: Path, name: str) -> Iterator[str]:
    """The texts of help that show how a command is used: they may name methods."""
    for node in tree(path).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == name
            and isinstance(node.value, ast.Constant)
        ):
            yield node.value.value


# -- size

MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_MODULE = 60, 400


@each_file
def test_functions_and_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_MODULE
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {n.name: (n.end_lineno or 0) - n.lineno + 1 for n in ast.walk(tree(path)) if isinstance(n, kinds)}
    assert {n: c for n, c in lengths.items() if c > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_module_imports_in_a_circle() -> None:
    """Each module can be the first that is imported."""
    graph = {dotted(p): {i for i in own_imports_at_start(p) if i in MODULES} for p in FILES}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*above, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def own_imports_at_start(path: Path) -> set[str]:
    """What a module imports when it is imported: not in functions, not for types alone."""
    found: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = ast.Module([node], [])
            found |= {n.partition(".")[2] for n in imports(module) if n.split(".")[0] == "stegcli"}
    return found


def bad_habits(nodes: ast.AST) -> Iterator[str]:
    for node in ast.walk(nodes):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"line {node.lineno}: bare except"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "torch.load", "eval", "exec"):
                yield f"line {node.lineno}: {called}()"
            for option in node.keywords:
                if f"{option.arg}={ast.unparse(option.value)}" in ("strict=False", "allow_pickle=True"):
                    yield f"line {node.lineno}: {option.arg}={ast.unparse(option.value)}"
        if isinstance(node, ast.Import | ast.ImportFrom) and "pickle" in ast.unparse(node):
            yield f"line {node.lineno}: pickle"


BAD = [
    "print('x')",
    "torch.load(path)",
    "net.load_state_dict(state, strict=False)",
    "np.load(path, allow_pickle=True)",
    "try:\n    pass\nexcept:\n    pass",
    "import pickle",
]


@pytest.mark.parametrize("source", BAD)
def test_bad_habits_are_noticed(source: str) -> None:
    assert len(list(bad_habits(ast.parse(source)))) == 1


@each_file
def test_no_bad_habits(path: Path) -> None:
    assert list(bad_habits(tree(path))) == []
