"""The page of `stego evaluate --report`: what it shows, that it shows it safely, and that it needs nothing else."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_helpers import ok, photo, refused, save
from PIL import Image as Pillow

from stegcli import methods
from stegcli.measuring import charts, gallery, report
from stegcli.measuring.gallery import Shown
from stegcli.measuring.report import Page
from stegcli.version import __version__

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "img", "br"}
REFERRING = {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

DETECTION: dict[str, Any] = {
    "seed": 0, "covers": 30, "learn": 20, "test": 10,
    "rows": [
        {"scheme": "stego", "rate": 0.1, "unit": "bpp", "channel": "png", "against": "covers", "detector": "SPAM + LDA",
         "psnr": 60.1, "accuracy": 0.525,
         "low": 0.49, "high": 0.56, "auc": 0.531, "p_e": 0.47, "roc": [[0, 0], [0.4, 0.5], [1, 1]],
         "note": None},
        {"scheme": "LSB replacement", "rate": 0.1, "unit": "bpp", "channel": "png", "against": "covers",
         "detector": "SPAM + LDA", "psnr": None, "accuracy": 0.971, "low": 0.95, "high": 0.99, "auc": 0.99, "p_e": 0.03,
         "roc": [[0, 0], [0.02, 0.95], [1, 1]], "note": "few covers"},
    ],
    "quick": [{"scheme": "stego", "rate": 0.1, "estimator": "SPA", "mean": 0.0047, "error": 0.0018, "worst": -0.16}],
    "targeted": [{"scheme": "stego", "rate": 0.1, "sign": "rows of one value", "covers": 3, "stegos": 4}],
    "leaked": [{"scheme": "stego", "rate": 0.1, "detector": "CNN", "learnt": 200, "accuracy": 0.61}],
    "advice": ["hide at most 0.1 bits per pixel in these photos"],
}  # fmt: skip


def step(attack: str, share: float, psnr: float | None) -> dict[str, Any]:
    return {"attack": attack, "made_for": "png", "came_back": share, "refused": 0, "why": None, "psnr": psnr,
            "worst_psnr": psnr, "stego_psnr": 42.0}  # fmt: skip


SWEEP = {
    "weights": "w", "payload": "a picture", "attack": "jpeg:90..80", "made_for": "png", "holds": "jpeg:90",
    "breaks": "jpeg:80", "steps": [step("jpeg:90", 1, 33.0), step("jpeg:80", 0.5, 30.0)],
}  # fmt: skip


def rows(*weights: str) -> list[dict[str, Any]]:
    return [
        {"weights": w, "net_bpp": b, "psnr": 70 - 10 * b, "lsb_psnr": 65 - 10 * b, "limit": 72 - 10 * b}
        for w in weights for b in (0.1, 0.5, 1.0)
    ]  # fmt: skip


RESULT = {"method": "toy", "covers": 3, "rows": rows("w"), "measured": {}, "sweeps": [SWEEP], "detection": DETECTION}


class Parsed(HTMLParser):
    """Tables by their captions, pictures, sections, visible text. Fails on tags that are not closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.images: list[dict[str, str]] = []
        self.references: list[str] = []
        self.headings: list[str] = []
        self.tags: set[str] = set()
        self.seen = ""
        self._cells: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        held = {name: value or "" for name, value in attrs}
        self.references += [value for name, value in held.items() if name in REFERRING]
        assert not any(name.startswith("on") for name in held)
        if tag == "img":
            self.images.append(held)
        if tag == "table":
            self._cells, self._caption = [], ""
        if tag == "tr":
            self._cells.append([])
        if tag in ("td", "th"):
            self._cells[-1].append("")
        if tag == "h2":
            self.headings.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self._caption] = self._cells

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.seen += data
        if "caption" in self.open:
            self._caption += data
        elif "h2" in self.open:
            self.headings[-1] += data
        elif self.open and self.open[-1] in ("td", "th"):
            self._cells[-1][-1] += data


def pictures() -> list[gallery.Row]:
    shown = [Shown(n, photo(64, 48, i), "a caption") for i, n in enumerate(("cover", "stego", "difference x10"))]
    return [(*shown, Shown("secret", None, "12 random bytes"), Shown("revealed", None, "the same bytes"))]


def page_of(result: dict[str, Any], **more: Any) -> str:
    tables = more.pop("tables", [("means", ["weights", "PSNR"], [["w", "70.00"]])])
    robustness = [("where it breaks", ["attack"], [["jpeg:80"]])]
    return report.page(
        Page(result, tables, robustness, ["w at 0.1 bpp: a verdict"], charts.of(result), pictures(),
             more.get("command", "stego evaluate toy --covers photos"), [("w", "ab12")])
    )  # fmt: skip


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    return Parsed(page_of(RESULT))


def test_the_page_has_every_table(parsed: Parsed) -> None:
    (main,) = (t for c, t in parsed.tables.items() if "20 learnt from, 10 judged" in c)
    assert main[1][:5] == ["stego", "0.1 bpp", "png", "covers", "SPAM + LDA"]
    assert main[1][5:] == ["52.5 %", "49.0 % to 56.0 %", "0.531", "0.470", "60.1"]
    found = [r for t in parsed.tables.values() for r in t]
    assert ["stego", "0.1", "SPA", "+0.0047", "0.0018", "-0.1600"] in found
    assert ["stego", "0.1", "rows of one value", "3", "4"] in found
    assert ["stego", "0.1", "CNN", "200", "61.0 %"] in found
    assert parsed.tables["means"] == [["weights", "PSNR"], ["w", "70.00"]]
    assert parsed.tables["Weights"][1] == ["w", "ab12"]


def test_advice_comes_first_and_quality_last(parsed: Parsed) -> None:
    assert parsed.headings == [
        "What to do with these pictures", "What detectors find", "What stegos survive", "Pictures", "Quality",
        "Command and versions",
    ]  # fmt: skip
    assert DETECTION["advice"][0] in parsed.seen
    assert "w at 0.1 bpp: a verdict" in parsed.seen


def test_command_and_versions_are_told(parsed: Parsed) -> None:
    told = dict(row for row in parsed.tables["What made this page"][1:])
    assert told["command"] == "stego evaluate toy --covers photos"
    assert told["stego"] == __version__
    assert told["numpy"] == np.__version__
    assert {"Python", "torch", "pillow", "matplotlib"} <= set(told)


def svgs(parsed: Parsed) -> list[ElementTree.Element]:
    return [
        ElementTree.fromstring(base64.b64decode(image["src"].partition(",")[2]))
        for image in parsed.images
        if image["src"].startswith("data:image/svg+xml;base64,")
    ]


def test_the_charts_are_there_with_their_curves_and_in_words(parsed: Parsed) -> None:
    legends = [[t.text for t in svg.iter(f"{SVG}text")] for svg in svgs(parsed)]
    assert len(legends) == 4
    for wanted in (
        "LSB replacement at 0.1 bpp, SPAM + LDA against covers",
        "hits",
        "JPEG quality",
        "limit",
        "bits per pixel",
    ):
        assert any(wanted in legend for legend in legends), wanted
    says = " ".join(image["alt"] for image in parsed.images)
    assert "from 33 (PSNR, dB)" not in says  # from left to right: quality 80 first
    assert "jpeg:90..80, a picture, w: from 30 (PSNR, dB) at 80 (JPEG quality) to 33 at 90." in says
    assert all(image["alt"] for image in parsed.images)


def test_the_gallery_holds_the_very_pixels(parsed: Parsed) -> None:
    shown = [i["src"] for i in parsed.images if i["src"].startswith("data:image/webp")]
    assert len(shown) == 3
    for index, source in enumerate(shown):
        held = np.array(Pillow.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        assert np.array_equal(held, photo(64, 48, index))
    assert "12 random bytes" in parsed.seen


def test_nothing_is_fetched_and_nothing_runs(parsed: Parsed) -> None:
    assert parsed.references
    assert all(r.startswith(("data:image/svg+xml;base64,", "data:image/webp;base64,")) for r in parsed.references)
    assert not parsed.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"url\(|@import", page_of(RESULT))
    for svg in svgs(parsed):
        for element in svg.iter():
            assert element.tag.removeprefix(SVG) not in ("script", "image", "foreignObject", "metadata")
            links = [v for name, v in element.attrib.items() if name.endswith("href")]
            assert all(link.startswith("#") for link in links)


def test_what_users_and_files_say_is_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    found = DETECTION | {"advice": [evil], "rows": [DETECTION["rows"][0] | {"scheme": evil, "channel": evil}]}
    result = RESULT | {"detection": found, "rows": rows(evil)}
    again = Parsed(page_of(result, command=f"stego evaluate {evil}", tables=[(evil, [evil], [[evil]])]))
    assert "script" not in again.tags
    assert again.seen.count(evil) >= 6
    assert any(evil in (t.text or "") for svg in svgs(again) for t in svg.iter(f"{SVG}text"))


def test_what_was_not_measured_is_left_out() -> None:
    bare = {"method": "toy", "rows": [], "measured": {}, "sweeps": []}
    text = report.page(Page(bare, [], [], [], charts.of(bare), [], "stego evaluate toy", []))
    again = Parsed(text)
    assert again.headings == ["Command and versions"]
    assert again.images == []


def test_a_scheme_that_was_not_judged_says_why_and_has_no_curve() -> None:
    unknown = dict.fromkeys(("rate", "accuracy", "low", "high", "auc", "p_e", "roc", "detector", "psnr"))
    row = DETECTION["rows"][0] | unknown | {"note": "steghide is not installed"}
    again = Parsed(page_of(RESULT | {"detection": DETECTION | {"rows": [row]}}))
    assert "steghide is not installed" in again.seen
    assert not any(i["alt"].startswith("ROC") for i in again.images)


def test_one_point_is_no_curve_and_equal_figures_give_equal_bytes() -> None:
    single = RESULT | {"rows": rows("w")[:1], "sweeps": [SWEEP | {"steps": [step("jpeg:90", 1, 33.0)]}]}
    assert [c.title for c in charts.of(single)] == [charts.of(RESULT)[0].title]
    assert [c.svg for c in charts.of(RESULT)] == [c.svg for c in charts.of(RESULT)]
    assert charts.strength("jpeg:90") == 90
    assert charts.strength("png") is charts.strength("messenger") is None


def test_large_pictures_show_their_middle() -> None:
    wide = np.zeros((10, 1000, 3), np.uint8)
    wide[:, 500] = 255
    seen = np.array(Pillow.open(io.BytesIO(Shown("cover", wide, "").webp())))
    assert seen.shape == (10, gallery.VIEW, 3)
    assert seen[0, 500 - (1000 - gallery.VIEW) // 2].tolist() == [255] * 3


# -- the pages in docs/


PAGES = ROOT / "docs" / "reports"
MOST_BYTES = 400_000


@pytest.mark.parametrize("name", methods.names())
def test_each_method_has_a_page_in_the_docs(name: str) -> None:
    """It is small, whole, and made by the command that docs/reports.md names."""
    text = (PAGES / f"{name}.html").read_text(encoding="utf-8")
    assert len(text.encode()) <= MOST_BYTES
    again = Parsed(text)
    assert all(reference.startswith("data:image/") for reference in again.references)
    assert any(i["src"].startswith("data:image/svg") for i in again.images)
    assert any(i["src"].startswith("data:image/webp") for i in again.images)
    assert not re.search(r"/(home|root|tmp|work|usr)/", text)
    command = next(r[1] for r in again.tables["What made this page"] if r[0] == "command")
    told = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    assert f"`{command.removesuffix(' -f')}`" in told


# -- the command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        save(tmp_path / "photos" / f"{seed}.png", photo(96, 64, seed))
    return tmp_path


ARGV = ("evaluate", "lossless-inn", "--covers", "photos", "--weights", "coset-1", "--payload", 0.05, "--payload", 0.2)


def test_command_writes_a_page_without_a_path_of_this_machine(folder: Path) -> None:
    said = ok(*ARGV, "--attack", "jpeg:95..90", "--report", "pages/here", "--json")
    assert "wrote pages/here/lossless-inn.html" in said.err
    assert said.json["rows"]
    text = Path("pages/here/lossless-inn.html").read_text(encoding="utf-8")
    for path in (folder, ROOT, Path(sys.prefix), Path.home()):
        assert str(path) not in text
    again = Parsed(text)
    assert "stego evaluate lossless-inn --covers photos --weights coset-1" in again.seen
    assert [h for h in again.headings if h != "Command and versions"] == ["What stegos survive", "Pictures", "Quality"]
    assert sum(i["src"].startswith("data:image/webp") for i in again.images) == 2 * 3
    assert len(again.tables["lossless-inn on 2 covers, means"]) == 3
    assert "random bytes" in again.seen
    assert "the same bytes" in again.seen
    refused(3, *ARGV, "--report", "pages/here", says="lossless-inn.html exists")


def test_a_report_that_cannot_be_drawn_is_refused_before_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stegcli.cli.reporting.find_spec", lambda name: None)
    assert "stegcli[report]" in refused(2, *ARGV, "--report", "pages", says="--report needs matplotlib").err


def test_detection_is_shown_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"method": "lossless-inn", "covers": 2, "rows": [], "measured": {}, "detection": DETECTION}
    monkeypatch.setattr("stegcli.cli.detecting.detect", lambda *_, **__: found)
    printed = ok(*ARGV, "--detect", "--report", "pages").out.decode()
    assert DETECTION["advice"][0] in printed
    again = Parsed(Path("pages/lossless-inn.html").read_text(encoding="utf-8"))
    assert again.headings == [
        "What to do with these pictures", "What detectors find", "Pictures", "Command and versions",
    ]  # fmt: skip
    assert ["coset-1", "no file of its own"] in again.tables["Weights"]
    refused(2, *ARGV, "--detect", "--cluster", "dask://localhost:1", says="--cluster does not go with --detect")


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no headless browser")
def test_a_browser_renders_it(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page_of(RESULT), encoding="utf-8")
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={tmp_path / 'seen.png'}")
    subprocess.run([browser, *options, (tmp_path / "page.html").as_uri()], check=True, capture_output=True, timeout=60)
    seen = np.array(Pillow.open(tmp_path / "seen.png").convert("L"))
    assert 0.001 < (seen < 128).mean() < 0.5
