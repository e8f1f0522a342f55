"""README, CONTRIBUTING and docs/: commands run, links lead somewhere, pages made of the help are up to date.

Every `stego` line of an `sh` block runs here, in the order of its block, in a folder that holds the stand-ins below.
What an earlier line of the block wrote is there for the later ones.
"""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from cli_helpers import ok, photo, save

from stegcli import methods, weights
from stegcli.cli import manual
from stegcli.cli.app import assembled
from stegcli.keys import key as keys

app = assembled()
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
README_BYTES = 8_000
RUN_ELSEWHERE = "A method in a package of its own"  # by test_plugin.py, which installs the package first

# What would take long is made short here, and nowhere else: page, pattern in the line, replacement.
SHORTENED = (
    ("", r"--minutes \d+", "--steps 1 --batch 1"),
    ("", r"--size 512x512", "--size 128x128"),
    ("", r"^stego hide (?!.*--(cover|method|key|secret|size|domain) )", "stego hide --size 64x64 "),
    ("", r"^stego evaluate lossless-inn", "stego evaluate lossless-inn --weights coset-1 --payload 0.1 --size 64x64"),
    ("", r"^stego sample glow2 (?!.*--domain)", "stego sample glow2 --size 64x64 "),
    ("", r"--count \d+", "--count 1"),
    ("docs/methods/cs-fnns.md", r"^stego hide ", "stego hide --size 128x128 --steps 40 "),
)
# Lines of which only the words are checked, as far as the command line itself does.
ONLY_PARSED = ("stego evaluate glow2", "stego evaluate lossless-inn --covers photos/ --detect", "stego train glow2")


class Block(NamedTuple):
    page: Path
    heading: str
    lines: tuple[str, ...]


def by_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=by_name)


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """Headings and the text below each, up to the next heading of any rank. Headings inside fences are none."""
    heading, lines, fenced = "", list[str](), False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            yield heading, "\n".join(lines)
            heading, lines = line.lstrip("# "), []
        lines.append(line)
    yield heading, "\n".join(lines)


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for heading, text in sections(page):
            for body in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
                found.append(Block(page, heading, tuple(line for line in body.splitlines() if line.strip())))
    return found


def commands(block: Block) -> list[str]:
    return [line for line in block.lines if "stego " in line.partition("#")[0] and not line.startswith("pip ")]


RUN = [b for b in blocks() if commands(b) and b.heading != RUN_ELSEWHERE]


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files under the names that the pages use."""
    folder = tmp_path_factory.mktemp("stand-ins")
    for name, width, seed in (
        ("scan.png", 96, 0),
        ("photo.jpg", 32, 1),
        ("portrait.png", 32, 2),
        ("secret.png", 32, 3),
    ):
        save(folder / name, photo(width, width, seed))
    save(folder / "holiday.jpg", photo(400, 400, 4))
    (folder / "report.pdf").write_bytes(b"%PDF a page")
    (folder / "notes.txt").write_bytes(b"meet at noon")
    (folder / "phrase.txt").write_bytes(b"correct horse battery staple\n")
    (folder / "letters").mkdir()
    for number in range(2):
        (folder / "letters" / f"{number}.txt").write_bytes(b"dear reader %d" % number)
    for name in ("scans", "photos", "held-out", "textures"):
        (folder / name).mkdir()
        for seed in range(2):
            save(folder / name / f"{seed}.png", photo(128, 128, seed))
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a sender has written for blocks that only reveal: out.png, stegos/ and the key of both, under two names."""
    folder = tmp_path_factory.mktemp("written")
    save(folder / "scan.png", photo())
    (folder / "letter.txt").write_bytes(b"dear reader")
    key = keys.generate("lossless-inn", "coset-1")
    key.save(folder / "key.npy")
    key.save(folder / "out.key.npy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ok("hide", "letter.txt", "--cover", "scan.png", "--key", "key.npy", "-o", "out.png", "--quiet")
        ok("hide", "letter.txt", "--cover", "scan.png", "--key", "key.npy", "-o", "stegos/", "--quiet")
    return folder


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """Weights are loaded once for all lines."""
    with mock.patch.object(weights, "load", functools.cache(weights.load)):
        yield


def words_of(line: str) -> list[str]:
    """Shell words without comments; `|`, `<` and `>` are words of their own; `*` stands for the files that fit."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        words += sorted(str(p) for p in Path().glob(word)) if "*" in word else [word]
    return words


def outputs_of(lines: tuple[str, ...]) -> set[str]:
    """The files that the lines of a block write, keys beside stegos among them."""
    found = set()
    for line in lines:
        words = words_of(line)
        for before, word in itertools.pairwise(words):
            if before in ("-o", ">", "--key-out"):
                found |= {word.rstrip("/"), str(Path(word).with_suffix(".key.npy"))}
    return found


def shortened(line: str, page: str) -> str:
    for where, pattern, replacement in SHORTENED:
        if where in ("", page):
            line = re.sub(pattern, replacement, line)
    return line


def execute(line: str) -> None:
    """One line, as a shell would: `stego` in this process, other programs of a pipeline for real."""
    words = words_of(line)
    data = b""
    if "<" in words:
        at = words.index("<")
        data = Path(words[at + 1]).read_bytes()
        del words[at : at + 2]
    target = None
    if ">" in words:
        at = words.index(">")
        target = Path(words[at + 1])
        del words[at : at + 2]
    for stage in split(words):
        if stage[0] == "stego":
            data = ok(*stage[1:], stdin=data).out
        else:
            assert stage[0] in ("cat", "tar")
            data = subprocess.run(stage, input=data, capture_output=True, check=True, timeout=30).stdout
    if target is not None:
        target.write_bytes(data)


def split(words: list[str]) -> Iterator[list[str]]:
    """The stages of a pipeline."""
    while "|" in words:
        at = words.index("|")
        yield words[:at]
        words = words[at + 1 :]
    yield words


def parse_only(line: str) -> None:
    _, name, *rest = words_of(line)
    app.commands[name].make_context(name, rest)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", RUN, ids=[f"{by_name(b.page)}: {b.heading}-{i}" for i, b in enumerate(RUN)])
def test_command_lines_run(
    block: Block, stand_ins: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(stand_ins, folder)
    monkeypatch.chdir(folder)
    for name in ("STEGO_KEY", "STEGO_KEY_DIR", "STEGO_DEVICE", "STEGO_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    made = outputs_of(block.lines)
    for path in written.iterdir():
        if path.name not in made and not (folder / path.name).exists():
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    for line in commands(block):
        if line.startswith(ONLY_PARSED):
            parse_only(line)
        else:
            execute(shortened(line, by_name(block.page)))


def test_lines_are_found() -> None:
    lines = [line for block in RUN for line in commands(block)]
    assert len(lines) > 40
    assert {line.split()[1] for line in lines if line.startswith("stego ")} >= set(methods.COMMANDS) - {"evaluate"}
    for page, pattern, _ in SHORTENED:
        assert page in ("", *map(by_name, PAGES))
        assert any(re.search(pattern, line) for line in lines), pattern
    for start in ONLY_PARSED:
        assert any(line.startswith(start) for line in lines), start


def test_other_lines_are_known() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for block in blocks():
        for line in set(block.lines) - set(commands(block)):
            program, *rest = words_of(line)
            assert (program, rest[0]) == ("pip", "install") or (program == "make" and rest[0] in targets), line


def test_a_line_that_is_wrong_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="no method 'typo'"):
        execute("stego hide report.pdf --method typo -o out.png   # a comment")
    with pytest.raises(Exception, match="--typo"):
        parse_only("stego evaluate glow2 --typo")


# -- pages made of the help


@pytest.mark.parametrize(("name", "render"), [("cli.md", manual.markdown), ("stego.1", manual.roff)])
def test_pages_of_the_help_are_up_to_date(name: str, render: object) -> None:
    assert callable(render)
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert committed == render(app), f"run `make docs`: docs/{name} differs from the help"


def test_the_help_pages_hold_every_option() -> None:
    page, man = manual.markdown(app), manual.roff(app)
    for name, command in app.commands.items():  # type: ignore[attr-defined]
        assert f"## stego {name}\n" in page
        for parameter in command.params:
            for word in parameter.opts:
                if word.startswith("-"):
                    assert word in page
                    assert word.replace("-", r"\-") in man
    assert not re.search(r"^\.(?!TH|SH|SS|PP|TP|B |nf|fi|RS|RE)", man, re.MULTILINE)


def test_make_docs_writes_both(tmp_path: Path) -> None:
    manual.write(app, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cli.md", "stego.1"]
    assert "$(BIN)/python -m stegcli.cli.manual docs" in (ROOT / "Makefile").read_text(encoding="utf-8")


# -- what the pages hold


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.encode()) <= README_BYTES
    first = blocks()[0]
    assert [line.split("#")[0].strip() for line in first.lines] == ["make demo", "make test"]
    assert "```sh" in readme[:20]
    for name in methods.names():
        assert f"docs/methods/{name}.md" in readme


def test_every_method_has_its_page_and_its_threats() -> None:
    security = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for about in methods.abouts():
        page = (ROOT / "docs" / "methods" / f"{about.name}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {about.name}\n")
        assert "\n## Limitations\n" in page
        assert f"\n## {about.name}\n" in security


FIGURES = re.compile(r"\|[^|\n]*\d[.,]\d[^|\n]*\|")
COMMAND = re.compile(r"`[^`]*\b(stego (evaluate|train|capacity|hide)|python (benchmarks|training)/)[^`]*`", re.DOTALL)
MADE = ("docs/cli.md",)
SAID_FOR_THE_PAGE = ("docs/research/search-glow2.md", "docs/research/search-lossless-inn.md", "docs/research/queue.md")


@each_page
def test_tables_of_figures_have_their_command(page: Path) -> None:
    """In the same section, or for the searches at the head of the page."""
    if by_name(page) in MADE:
        return
    whole = page.read_text(encoding="utf-8")
    for heading, text in sections(page):
        table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        if FIGURES.search(table):
            where = whole if by_name(page) in SAID_FOR_THE_PAGE else text
            found = COMMAND.search(where) or re.search(r"^    python ", where, re.MULTILINE)
            assert found, f"{by_name(page)}: {heading}"


MEASURED = re.compile(r"\d+\.\d+ (?:dB|s|%|MiB|GiB|seconds)(?!\w)")
ANY_COMMAND = re.compile(
    r"`[^`]*\b(?:stego (?:evaluate|train|capacity|hide|reveal)|"
    r"python (?:-m pytest|(?:benchmarks|training|examples)/))[^`]*`"
)
BY_HAND = "by hand"
"""A figure without a command says that it was measured once, by hand."""


def without_command(text: str) -> list[str]:
    """The figures of a section that says neither which command printed them, nor links to the section that does."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    told = ANY_COMMAND.search(plain) or re.search(r"^    python ", plain, re.MULTILINE)
    return [] if told or BY_HAND in plain or "#measured" in plain else MEASURED.findall(plain)


@each_page
def test_figures_have_their_command(page: Path) -> None:
    """Those of paragraphs too."""
    if by_name(page) not in (*MADE, *SAID_FOR_THE_PAGE):
        assert {heading: found for heading, text in sections(page) if (found := without_command(text))} == {}


def test_a_figure_without_a_command_is_found() -> None:
    assert without_command("It takes 3.5 s and 20.1 MiB.") == ["3.5 s", "20.1 MiB"]
    assert without_command("It takes 3.5 s (`stego hide FILE -o out.png`).") == []
    assert without_command("It takes 3.5 s, see [there](other.md#measured-speed).") == []
    assert without_command("```sh\nstego hide a   # 3.5 s\n```\nVersion 3.11 has 2.5 sides.") == []


def anchors(page: Path) -> set[str]:
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h, _ in sections(page)}


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{by_name(page)}: {target}"
        assert not anchor or anchor in anchors(to), f"{by_name(page)}: {target}"


def test_paths_that_are_named_exist() -> None:
    named = re.compile(r"`((?:stegcli|training|benchmarks|tests|docs|examples)/[\w./-]+)[` ]")
    for page in PAGES:
        for path in named.findall(page.read_text(encoding="utf-8")):
            known = "my_method" in path or "my-method" in path or (ROOT / path).exists()
            assert known, f"{by_name(page)}: {path}"
