"""The tables of docs/methods/riis.md."""

from __future__ import annotations

from _tables import Fixed, Outputs, Rows, Table, every, groups, number

RUN = "python benchmarks/riis.py --covers {photos}"
FIRST = {"jpeg:75@42": (3090, 100), "jpeg:75..95@42": (3090, 100), "jpeg:40..95@40": (3090, 100), "crop@42": (3000, 6),
         "png@48": (3500, 8), "jpeg:90@42": (3500, 8), "jpeg:80@42": (3500, 8), "jpeg:40@42": (3500, 8),
         "noise:1@44": (3500, 8), "noise:5@40": (3500, 8), "noise:10@38": (3500, 8)}  # fmt: skip
ASKED = {"jpeg:75@42": "8 kB, 14 kB", "jpeg:75..95@42": "2.2 kB, 4 kB", "jpeg:40..95@40": "1 kB, 2 kB",
         "crop@42": "64, 512"}  # fmt: skip
PICTURES = {"png": "file as it is", "jpeg:90": "JPEG 90", "jpeg:80": "JPEG 80", "jpeg:40": "JPEG 40",
            "noise:10": "noise of 10"}  # fmt: skip
PAPER = {"png": "43.97 / 46.71", "jpeg:90": "28.71", "jpeg:80": "28.25", "jpeg:40": "27.32", "noise:10": "28.22",
         "noise:1": "30.32"}  # fmt: skip
MUST = {"png": ("45 / 47, 48 / 48", ""), "jpeg:90": ("31, 33", "29.5, 32"), "jpeg:80": ("30.5, 32.5", "29, 31"),
        "jpeg:40": ("28.5, 30.5", "27.5, 29")}  # fmt: skip
NOISES = {"noise:1": ("36, 38", ""), "noise:5": ("29.5, 30.5", ""), "noise:10": ("28, 29", "")}
NAMES = PICTURES | {f"noise:{s}": f"noise of {s}" for s in (1, 5)}
NETWORK_MUST = {"png": "42 / 38, 43.5 / 41", "jpeg:90": "31 / 23, 31 / 26"}
AFTER = ("full colours", "same quality again", "PNG of it", *(f"then quality {b:+d}" for b in (-2, -1, 1, 2)),
         *(f"only quality {b:+d}" for b in (-1, 1)))  # fmt: skip


def _bytes(out: Outputs) -> Rows:
    rows = []
    for case, text in out.items():
        came, of, mean, least, db, least_db, seconds = groups(
            r": (\d+) of (\d+) covers, bytes (\d+) \(least (\d+)\), PSNR ([\d.]+) \(least ([\d.]+)\), ([\d.]+) s", text
        )
        room = f"{number(mean, 0)} ({number(least, 0)})"
        quality = f"{number(db, 1)} ({number(least_db, 1)})"
        rows.append([f"`{case}`", f"{came} of {of}", room, quality, seconds, ASKED.get(case, "")])
    return rows


def _commands(out: Outputs) -> Rows:
    rows = []
    for secret, survive in (("4 kB", "jpeg:75"), ("picture.png", "jpeg:75"), ("1500 B", "jpeg:75..95"),
                            ("picture.png", "jpeg:75..95")):  # fmt: skip
        line = rf"riis, {secret}, square\.png, {survive} +([\d.]+) s"
        seconds = [groups(rf"^{what} +{line}", out["commands"])[0] for what in ("hide", "reveal")]
        rows.append([secret, f"`{survive}`", *seconds])
    return rows


def _besides(out: Outputs) -> Rows:
    rows = []
    for case, text in out.items():
        (line,) = groups(r"besides: (.*)$", text)
        told = dict(part.rsplit(" ", 1) for part in line.split(", "))
        rows.append([f"`{case.partition('@')[0]}`", *(told[label] for label in AFTER)])
    return rows


def _through(text: str, channel: str) -> dict[str, str]:
    (line,) = groups(rf"^{channel}: (.*)$", text)
    return {name.replace(" ", "_"): value for name, value in every(r"([a-z][a-z_ ]*) (-?[\d.]+)(?:, |$)", line)}


def _both(row: dict[str, str], name: str) -> str:
    return f"{number(row[name], 1)} ({number(row[name + '_worst'], 1)})"


def _again(row: dict[str, str]) -> str:
    if "again" not in row:
        return ""
    return f"{number(row['again'], 1)}, {number(row['again_came_back'], 0)} of {number(row['of'], 0)}"


def _four(out: Outputs) -> Rows:
    return [[name, *cells] for name, _, *cells in _asked(out["four"])]


def _unseen(out: Outputs) -> Rows:
    return _asked(out["unseen"])


def _asked(text: str) -> Rows:
    """What the issue asks of pictures, by channel; how many came back is the second cell."""
    rows = []
    for channel, must in (MUST | NOISES).items():
        row = _through(text, channel)
        came = f"{number(row['came_back'], 0)} of {number(row['of'], 0)}"
        dbs = [_both(row, "stego"), _both(row, "secret"), _again(row)]
        rows.append([NAMES[channel], came, *dbs, PAPER.get(channel, ""), *must])
    return rows


def _eight(out: Outputs) -> Rows:
    found = {channel: _through(out["eight"], channel) for channel in MUST}
    return [[PICTURES[c], _both(r, "stego"), _both(r, "secret"), _again(r)] for c, r in found.items()]


def _network(out: Outputs) -> Rows:
    rows = []
    for channel, name in PICTURES.items():
        five, eight = _through(out["five"], channel), _through(out["eight"], channel)
        again = number(eight["again"], 1) if "again" in eight else ""
        dbs = [_both(row, what) for row in (five, eight) for what in ("stego", "secret")]
        rows.append([name, *dbs, again, PAPER[channel], NETWORK_MUST.get(channel, "")])
    return rows


def _rivals(out: Outputs) -> Rows:
    rows = []
    for name, row in every(r"^(.+?): (\{.*\}|not installed)$", out["rivals"]):
        if row == "not installed":
            rows.append([name, row, *[""] * 6])
            continue
        bits, stego = (groups(rf"'{n}': ([\d.]+)", row)[0] for n in ("bits", "stego"))
        told = every(r"'exact': (\d+)[^}]*?'right': (?:np\.float64\()?([\d.]+)", row)
        rows.append([name, number(bits, 0), number(stego, 1), *(f"{e} ({100 * float(r):.0f} %)" for e, r in told)])
    return rows


def _ablation(out: Outputs) -> Rows:
    rows = []
    for name, line in every(r"^([a-z][\w ]+? \(\d+ steps\)): (.*)$", out["ablation"].partition("the paper")[0]):
        told = dict(every(r"([a-z]+(?::\d+)?) ([\d.]+ / [\d.]+)", line))
        rows.append([name, *(told[c] for c in PICTURES)])
    return rows


MOSAICS = "--first 3500 --mosaics --count 8"
RIIS = [
    Fixed("riis/carriers", "which carrier serves which channel, in words"),
    Table("riis/bytes", ["case", "came back", "bytes, mean (least)", "stego dB, mean (least)", "CPU, s",
                         "must, aim of the issue"],
          {c: f"{RUN} --first {f} --mosaics --asked-only --count {n} --case {c}" for c, (f, n) in FIRST.items()},
          _bytes, 1),
    Table("riis/commands", ["secret", "channel", "hide", "reveal"],
          {"commands": "python benchmarks/commands.py --runs 3 --only riis"}, _commands),
    Table("riis/besides", ["made for", "full colours", "same quality again", "PNG of it", "then Q - 2", "Q - 1",
                           "Q + 1", "Q + 2", "only Q - 1", "only Q + 1"],
          {c: f"{RUN} --first 3500 --mosaics --count 4 --case {c}" for c in ("jpeg:90@42", "jpeg:75@42", "jpeg:40@42")},
          _besides),
    Fixed("riis/encoders", "`python benchmarks/riis_encoders.py --covers PHOTOS --count 3` in fewer words: it prints a "
          "line for each encoder and quality, and needs the encoders"),
    Table("riis/pictures-unseen", ["channel", "came back", "stego dB, mean (worst)", "secret dB, mean (worst)",
                                   "behind another JPEG", "paper", "must, aim", "again: must, aim"],
          {"unseen": "python benchmarks/riis.py --covers {squares} --squares --count 39 --case pictures"}, _unseen, 1),
    Table("riis/pictures", ["channel", "stego dB, mean (worst)", "secret dB, mean (worst)", "behind another JPEG",
                            "paper", "must, aim", "again: must, aim"],
          {"four": f"{RUN} --count 4 --case pictures"}, _four),
    Table("riis/pictures-mosaics", ["channel", "stego dB, mean (worst)", "secret dB, mean (worst)",
                                    "behind another JPEG"], {"eight": f"{RUN} {MOSAICS} --case pictures"}, _eight),
    Table("riis/rivals", ["tool", "bits", "stego dB", "png", "JPEG 90", "JPEG 80", "JPEG 40", "noise 10"],
          {"rivals": f"{RUN} {MOSAICS} --case rivals"}, _rivals),
    Table("riis/ablation", ["", *(PICTURES[c] if c != "noise:10" else "noise 10" for c in PICTURES)],
          {"ablation": "python training/ablate_riis.py --data {train} --val {val} --out {cache} --seconds 43 --graph"},
          _ablation, 0.3),
    Table("riis/ablation-cpu", ["", *(PICTURES[c] if c != "noise:10" else "noise 10" for c in PICTURES)],
          {"ablation": "python training/ablate_riis.py --data {train} --val {val} --out {cache} --device cpu --batch 4 "
           "--steps 240 --seconds 900 --rows linear complete 'with phases' 'with a curriculum' 'without DGM' "
           "'without 2DT'"}, _ablation, 0.3),
    Table("riis/network", ["channel", "five: stego dB, mean (worst)", "secret", "eight mosaics: stego", "secret",
                           "behind another JPEG", "paper", "must, aim"],
          {"five": f"{RUN} --count 5 --case network", "eight": f"{RUN} {MOSAICS} --case network"}, _network),
]  # fmt: skip
