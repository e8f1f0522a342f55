"""benchmarks/tables.py: every table of docs/methods/ has its command, and rows come from what the command prints."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import photo
from PIL import Image as Pillow

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import _tables  # noqa: E402
import tables  # noqa: E402
from _tables import Fixed, Table  # noqa: E402

PAGE = "# p\n\ntext\n\n<!-- table: p/one -->\n| a | b |\n|---|---|\n| 1 | 2 |\n\nmore\n"
MEASURED = [t for t in tables.TABLES.values() if isinstance(t, Table)]


@pytest.mark.parametrize("page", sorted(tables.PAGES.glob("*.md")), ids=lambda p: p.stem)
def test_every_table_of_the_docs_has_an_entry(page: Path) -> None:
    assert tables.faults(page) == []


def test_check_and_list_tell(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py")]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True).stdout
    assert all(any(line.startswith(name) for line in listed.splitlines()) for name in tables.TABLES)
    assert subprocess.run([*command, "--check"], capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("<!-- table: p/one -->\n", ""), "p.md:5: a table without a marker"),
        (("p/one", "p/two"), "marker p/two has no entry"),
        (("p/one", "p/two"), "entry p/one has no table"),
        (("| a | b |\n", "\n| a | b |\n"), "marker p/one has no table"),
        ((PAGE, PAGE + PAGE), "marker p/one stands twice"),
        (("p/one", "riis/bytes"), "riis/bytes belongs to another page"),
    ],
)
def test_what_is_wrong_with_markers_is_told(
    change: tuple[str, str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "TABLES", tables.TABLES | {"p/one": Fixed("p/one", "x")})
    page = tmp_path / "p.md"
    page.write_text(PAGE)
    assert tables.faults(page) == []
    page.write_text(PAGE.replace(*change))
    assert any(says in line for line in tables.faults(page))


def test_a_table_is_replaced_and_nothing_else() -> None:
    new = _tables.markdown(["x", "y"], [["3", ""], ["4", "5"]])
    assert new == "| x | y |\n|---|---|\n| 3 | |\n| 4 | 5 |"
    assert tables.replaced(PAGE, "p/one", new) == PAGE.replace("| a | b |\n|---|---|\n| 1 | 2 |", new)
    with pytest.raises(SystemExit, match="no table with the marker p/two"):
        tables.replaced(PAGE, "p/two", new)


@pytest.mark.parametrize("table", MEASURED, ids=lambda t: t.name)
def test_commands_are_those_that_scripts_take(table: Table) -> None:
    """Scripts exist, and know every flag; folders are those that are made."""
    folders = {"photos", "train", "val", "small", "textures", "textures_val", "cache", "squares"}
    for command in table.runs.values():
        assert set(re.findall(r"{(\w+)}", command)) <= folders
        program, script, *rest = shlex.split(command)
        assert program in ("python", "stego", "ls")
        if program == "python":
            text = (ROOT / script).read_text(encoding="utf-8")
            assert all(f'"{flag}"' in text for flag in rest if flag.startswith("--")), command


@pytest.mark.parametrize("table", MEASURED, ids=lambda t: t.name)
def test_the_page_says_by_which_command(table: Table) -> None:
    page = (tables.PAGES / f"{table.page}.md").read_text(encoding="utf-8")
    for command in table.runs.values():
        named = " ".join(shlex.split(command)[:2])
        assert named in " ".join(page.split()), named


def test_what_a_command_prints_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = "python -c 'print(3 * 7)'"
    assert tables.output(command, tmp_path) == "21\n"
    assert "$ python" in capfd.readouterr().err
    assert tables.output(command, tmp_path) == "21\n"
    assert capfd.readouterr().err == ""
    with pytest.raises(SystemExit, match="ended with status 3"):
        tables.output("python -c 'raise SystemExit(3)'", tmp_path)
    assert tables.words("stego methods")[1:] == ["-m", "stegcli", "methods"]


def test_folders_part_what_was_trained_on_from_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "FIRST_VAL", {"photos256": 3, "textures128": -1})
    (tmp_path / "squares512").mkdir()
    for name in ("photos256", "textures128"):
        (tmp_path / name).mkdir()
        for seed in range(5):
            Pillow.fromarray(photo(256, 256, seed)).save(tmp_path / name / f"{seed}.jpg", quality=95)
    (tmp_path / "work").mkdir()
    made = tables.made_folders(tmp_path, tmp_path / "work")
    held = {name: [p.name for p in sorted(Path(folder).iterdir())] for name, folder in made.items()}
    assert held["train"] == held["textures"][:3] == ["0.jpg", "1.jpg", "2.jpg"]
    assert held["val"] == ["3.jpg", "4.jpg"]
    assert held["textures_val"] == ["4.jpg"]
    assert all(np.asarray(Pillow.open(Path(made["small"]) / name)).shape == (160, 160, 3) for name in held["small"])


# -- rows from what commands print


def rows(name: str, *printed: str) -> list[list[str]]:
    """printed: for each run, or the same for all."""
    table = tables.TABLES[name]
    assert isinstance(table, Table)
    texts = printed if len(printed) > 1 else printed * len(table.runs)
    found = table.rows(dict(zip(table.runs, texts, strict=True)))
    assert _tables.markdown(table.columns, found)  # each row fits the columns
    return found


def test_an_output_that_is_not_understood_ends_it() -> None:
    with pytest.raises(SystemExit, match="in the output"):
        rows("lossless-inn/ecc", "nothing")
    with pytest.raises(SystemExit, match="no row 'a'"):
        _tables.cells("│ b │ 1 │", "a")


def test_quality() -> None:
    row = {"weights": "coset-3", "payload_bpp": None, "net_bpp": 2.981, "psnr": 53.12, "lsb_psnr": 51.2, "limit": 54.63,
           "ssim": 0.998781, "lsb_ssim": 0.99779, "exact": 1, "attacks": {"jpeg:95": 0}}  # fmt: skip
    found = rows("lossless-inn/quality", json.dumps({"rows": [row, row | {"psnr": None, "payload_bpp": 1}]}))
    assert found[0] == ["coset-3", "2.98 (full)", "53.1", "51.2", "54.6", "0.99878", "0.99779", "100 %", "0 %"]
    assert found[1][7] == "refused"


def test_error_correction() -> None:
    printed = "wrong bits |\n    0.0005 |   0.969    1.0 s/Mbit |   0.938    1.0 s/Mbit |   0.969    0.5 s/Mbit\n"
    printed += "    0.0500 |   0.750    1.0 s/Mbit |   0.500    1.0 s/Mbit |   0.000    0.5 s/Mbit\n"
    table = tables.TABLES["lossless-inn/ecc"]
    assert isinstance(table, Table)
    found = table.rows({"ecc": printed})
    assert found[0] == ["LDPC, soft decisions", "0.969", "0.750"]
    assert found[2] == ["Reed-Solomon (255, k)", "0.969", "none"]


def test_detectors() -> None:
    kinds = "SPAM  53.2 %  by channel  50.0 %  of differences  99.5 %  rich  98.5 %"
    line = f"{{:14}} {{:4g}} bpp  {{:5.2f}} dB  told apart: {kinds}{{}}  of 1000"
    named = [(n, b) for n in ("lsb", "hill", "coset-1", "coset-3", "coset-3-bound") for b in (1.0, 0.4, 0.1)]
    whole = "\n".join(line.format(n, b, 60 + b, "  CNN  87.2 %") for n, b in named)
    assert rows("lossless-inn/detectors", whole)[0] == [
        "LSB matching",
        *(f"{d:.1f} dB; 53.2 %, 87.2 %" for d in (60.1, 60.4, 61)),
    ]
    bare = "\n".join(line.format(n, b, 60, "") for n, b in named)
    assert rows("lossless-inn/colours", bare)[0] == ["LSB matching, 1 bpp", "53.2 %", "50.0 %", "99.5 %", "98.5 %"]


def test_detectors_on_grey() -> None:
    line = "{:14} {:4g} bpp  {:5.2f} dB  told apart: SPAM  53.2 %  rich  61.5 %  CNN  87.2 %  of 1000"
    whole = "\n".join(line.format(n, b, 60 + b) for n in ("hill", "coset-3") for b in (1.0, 0.4))
    assert rows("lossless-inn/grey", whole)[1] == [
        "`coset-3` as it codes",
        *(f"{d:.1f} dB; 53.2 %, 61.5 %, 87.2 %" for d in (60.4, 61)),
    ]


def test_signs_and_estimators() -> None:
    told = ", ".join(f"{n} +0.0047 (standard error 0.0018, worst 0.160)" for n in ("spa", "ws", "rs", "chi"))
    counts = "lone 473 > 476, clipped 133 > 143, frames 792 > 791, gaps 809 > 817, coloured 0 > 0"
    text = "\n".join(
        f"{s:8} {k:6} {b:g} bpp, 49 pairs: file 0 differ, {counts}; {told}"
        for s in ("coset-3", "LSB", "replaced") for k in ("colour", "grey") for b in (1, 0.2)
    )  # fmt: skip
    found = rows("jpeg-covers/signs", text)
    assert found[0][:2] == ["files whose encoder shows a difference", "0"]
    assert found[1][:2] == ["lone samples on even ground", "473 > 476"]
    assert found[-2][1] == "+0.0047"
    found = rows("jpeg-covers/estimators", text)
    assert found[0] == ["coset-3, colour", *["+0.0047 +- 0.0018"] * 4]
    assert [row[0] for row in found[4:]] == ["replaced, colour", "replaced, grey"]


def test_riis() -> None:
    line = "x at 42 dB: 100 of 100 covers, bytes 10897 (least 6279), PSNR 42.31 (least 41.94), 1.9 s of CPU\n"
    assert rows("riis/bytes", line)[0] == [
        "`jpeg:75@42`", "100 of 100", "10,897 (6,279)", "42.3 (41.9)", "1.9", "8 kB, 14 kB",
    ]  # fmt: skip
    besides = "   besides: " + ", ".join(f"{label} {i}" for i, label in enumerate(sys.modules["_tables_riis"].AFTER))
    assert rows("riis/besides", line + besides)[0] == ["`jpeg:90`", *map(str, range(9))]
    through = "of 4.00, came_back 4.00, stego 43.01, stego_worst 42.80, secret 36.40, secret_worst 33.40, seconds 1.00"
    again = ", again_came_back 3.00, again 36.35"
    names = ("png", "jpeg:90", "jpeg:80", "jpeg:40", "noise:10", "noise:1", "noise:5")
    text = "\n".join(f"{n}: {through}{again if 'jpeg' in n else ''}" for n in names)
    assert rows("riis/pictures", text)[1][:4] == ["JPEG 90", "43.0 (42.8)", "36.4 (33.4)", "36.4, 3 of 4"]
    assert rows("riis/pictures-unseen", text)[4][:3] == ["noise of 1", "4 of 4", "43.0 (42.8)"]
    assert rows("riis/pictures-mosaics", text)[0][3] == ""
    assert rows("riis/network", text)[4][:3] == ["noise of 10", "43.0 (42.8)", "36.4 (33.4)"]
    rival = "4-bit LSB: {'of': 8, 'bits': 3145728.0, 'stego': 31.8, "
    rival += ", ".join(f"'{n}': {{'exact': 8, 'right': 0.512}}" for n in names[:5]) + "}\nsteghide: not installed"
    assert rows("riis/rivals", rival)[0] == ["4-bit LSB", "3,145,728", "31.8", *["8 (51 %)"] * 5]
    figures = ", ".join(f"{n} 45.97 / 45.49 (+0.10+-0.02 / -0.10+-0.02)" for n in names)
    ablated = f"linear (0 steps): {figures}\ncomplete (840 steps): {figures}\nthe paper, dB of the secret: complete: x"
    assert rows("riis/ablation", ablated)[1] == ["complete (840 steps)", *["45.97 / 45.49"] * 5]


def test_steg_cinn() -> None:
    names = ["1 bpp", "1.9 bpp", "keep, top 2", "keep, top 3", "recolour", "paper's form: 1 bit, gap 0.1"]
    means = "exact 1.000 elsewhere 0.875 bpp 2.881 right 0.939 psnr 36.512 "
    means += "dL_mean 0.1 dL_most 0.5 capacity_s 0.41 hide_s 1.2 reveal_s 0.8"
    text = "\n".join(
        f"{n}: 8 of 8 exact, 7 of 8 elsewhere, least 2.70 bpp, 30.4 dB, most dL 0.50; means: {means}" for n in names
    )
    assert rows("steg-cinn/modes", text)[2] == [
        "keep, top 2, full", "8 of 8; 7 of 8", "2.88 (2.70)", "93.9 %", "36.5 (30.4) dB", "0.4, 1.2, 0.8 s",
    ]  # fmt: skip
    many = "77 of 77 exact, 76 by the first draft, 15 covers\n"
    many += "latents of 58: p < 0.05 in 3.4 %; p-values uniform: p = 0.420\n"
    many += "stegos against innocent, SPAM of q and p: 46.1 +- 4.0 % of 154\n"
    many += (
        "stegos against covers, SPAM of RGB: 67.5 +- 4.0 % of 154\nstegos against innocent, CNN: 51.0 +- 2.5 % of 36"
    )
    assert rows("steg-cinn/many", many)[2:] == [
        ["stegos against innocent, SPAM of q and p", "46.1 +- 4.0 %", "53 %"],
        ["stegos against innocent, CNN", "51.0 +- 2.5 %", "53 %"],
        ["stegos against covers, SPAM of RGB", "67.5 +- 4.0 %", "told"],
    ]


def test_steg_cinn_commands() -> None:
    covers = (("49 kB", "photo.png"), ("1 MB", "12 megapixels.png"))
    text = "\n".join(
        f"{w:6} steg-cinn, {s}, {c}   8.71 s   13.30 s   485 MiB" for s, c in covers for w in ("hide", "reveal")
    )
    cells = ["8.7 s, 485 MiB"] * 2
    assert rows("steg-cinn/commands", text)[0] == ["49 kB in 768x512", *cells, "12, 8 s"]


def test_links_are_of_pictures_alone(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("0.jpg", "1.jpg", "2.jpg", "MANIFEST.csv"):
        (whole / name).touch()
    kept = tables.linked(whole, 1, False, tmp_path / "kept")
    assert sorted(p.name for p in kept.iterdir()) == ["1.jpg", "2.jpg"]


def test_jpeg_covers() -> None:
    line = "0.1 bits per non-zero AC coefficient: exact 22 of 22, segments before the scan as they were 22; filled: "
    line += "file size +0.02 % (worst +0.12 %), PSNR 56.6 dB; the colour-lattice check finds 0 of 20"
    found = rows("jpeg-covers/measured", line, "2 MP, 1000 bytes, hide: 2.98 s, 157 MiB")
    assert found[0][1] == "22 of 22 at 0.1"
    assert found[2][1] == "+0.02 % (worst +0.12 %) at 0.1"
    assert found[4][:2] == ["stegos in colour that the colour-lattice check finds", "0 of 20"]
    assert found[5][:2] == ["1 kB in 2 megapixels: hide", "2.98 s in user mode, 157 MiB"]
    told = "396 grey covers\n" + "\n".join(
        f"{s:14} {r:4g} bits per non-zero AC coefficient:  56.0 % (+- 1.3)"
        for s, r in (("nsF5", 0.1), ("nsF5", 0.4), ("coded:side", 0.4))
    )
    assert rows("jpeg-covers/detectors", told)[3] == ["with side information", "", "56.0 +- 1.3 %"]
    measured = {"scheme": "nsF5", "dctr": 0.56, "spread": 0.013, "cnn": None, "note": ""}
    both = [measured | {"rate": 0.1}, measured | {"rate": 0.4, "dctr": None, "note": "fits in 0 covers only"}]
    told = json.dumps({"measured": {"coset-3": {"jpeg": {"rows": both}}}})
    assert rows("jpeg-covers/evaluated", told)[0] == ["nsF5", "56.0 +- 1.3 %", "fits in 0 covers only"]


def test_drawn() -> None:
    printed = "\n".join(
        f"│ {name} │ 41.93 │ 46.98 │ 44.81 │ 2.10 │ 51 │"
        for name in ["paper's decoder and search", *sys.modules["_tables_drawn"].CS_ROWS]
    )
    assert rows("cs-fnns/one-receiver", printed)[1] == ["ours, 41.9 dB, 40 steps", "41.9", "47.0 (44.8)", "2.10", "51"]
    told = "\n".join(
        f"{n:24} {50.5:5.1f} % right of 1000; chance 50 +- 1.6 %"
        for n in ("histogram, LDA", "SPAM, LDA", "CNN", "own detector, anew")
    )
    assert rows("cs-fnns/detectors", told) == [["50.5 %"] * 4]
    secrecy = "\n".join(
        f"{form} stegos 160  ks_least 0.0014  ks_of_ks 0.87  scaled_correlation 3.2  by_place_gain 0.001"
        for form in ("bytes", "cascade")
    )
    found = rows("glow2/secrecy", secrecy, "accuracy 49.7 % on 1000 pictures, trained on 4000; chance 50 +- 1.6 %")
    assert found[0][1] == "bytes 0.0014, 0.87; cascade 0.0014, 0.87"
    assert found[3][1] == "49.7 % on 1000 pictures"
