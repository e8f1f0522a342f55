"""The tables of docs/methods/glow2.md, cs-fnns.md and steg-cinn.md."""

from __future__ import annotations

import json

from _tables import Fixed, Outputs, Rows, Table, cells, every, groups

JPEGS = ("png", "jpeg:90", "jpeg:80", "jpeg:40")
PAPER = ("29.99", "27.75", "24.14", "21.21")
BANDS = ("y1", "y2", "y3", "y4", "y5", "y6", "y7", "base")
SECRECY = "python benchmarks/glow2_secrecy.py --photos {val} --stegos 160"


def _glow2_pictures(out: Outputs) -> Rows:
    result = json.loads(out["evaluate"])
    found = {(r["attack"], r["form"]): r for r in result["rows"]}
    (measured,) = result["measured"].values()

    def dbs(form: str) -> list[str]:
        return [f"{found[a, form]['psnr']:.1f} ({found[a, form]['worst_psnr']:.1f})" for a in JPEGS]

    ssims = [" / ".join(f"{found[a, f]['ssim']:.3f}" for f in ("compressed", "cascade")) for a in JPEGS]
    wrong = [f"{measured['keys'][a]['wrong key']:.1f}" for a in JPEGS]
    bands = [" ".join(f"{v:.3f}" for n, v in measured["bands"][a].items() if n in BANDS) for a in JPEGS]
    lines = every(r"^(\S+): (\d+) bytes for each of 1, exact (\d+) of (\d+), by the first draw (\d+)", out["recovery"])
    by_way = {way: rest for way, *rest in lines}
    return [
        ["compressed (default)", *dbs("compressed")], ["cascade", *dbs("cascade")], ["paper", *PAPER],
        ["SSIM, compressed / cascade", *ssims], ["cascade with a wrong key", *wrong],
        ["correlation of the latents that arrive with those sent, from fine to coarse", *bands],
        ["room for a file, bytes", *(f"{int(by_way[a][0]):,}" for a in JPEGS)],
        ["full payloads of random bytes that came back exactly (`python benchmarks/glow2_recovery.py`)",
         *(f"{by_way[a][1]} of {by_way[a][2]}" for a in JPEGS)],
    ]  # fmt: skip


def _glow2_secrecy(out: Outputs) -> Rows:
    def value(form: str, name: str) -> str:
        return groups(rf"^{form} .*?\b{name} (\S+)", out["secrecy"])[0]

    least = "; ".join(f"{f} {value(f, 'ks_least')}, {value(f, 'ks_of_ks')}" for f in ("bytes", "cascade"))
    cnn = groups(r"accuracy ([\d.]+ % on \d+ pictures)", out["cnn"])[0]
    command = f"`{SECRECY.replace('{val}', 'VAL')}`"
    return [
        ["Kolmogorov-Smirnov test of the latents against N(0, 1): least p; p of these being uniform", least, command],
        ["correlation with the secret's latents times the root of their number, the greatest; below 4 is chance",
         value("cascade", "scaled_correlation"), "the same"],
        ["linear attack, place by place: PSNR of its pictures above that of the mean picture",
         f"{value('cascade', 'by_place_gain')} dB", "the same"],
        ["a CNN, stegos against samples of the generator", cnn, "`python benchmarks/glow2_detector.py`"],
    ]  # fmt: skip


SEARCHES = (("41.9", 40), ("41.9", 100), ("41.9", 280), ("46", 280), ("50", 280))
CS_ROWS = [f"ours, {db} dB, {steps} steps" for db, steps in SEARCHES]
CS_ROWS += ["through JPEG 90", "through JPEG 80"]


def _one_receiver(out: Outputs) -> Rows:
    rows = []
    for name in ("paper's decoder and search", *CS_ROWS):
        first = name.startswith("paper")
        _, stego, secret, least, seconds, _ = cells(out["three" if first else "ours"], name)
        gain = cells(out["three"], name)[5]
        rows.append([name, f"{float(stego):.1f}", f"{float(secret):.1f} ({float(least):.1f})", seconds, gain])
    published = "paper's own figures (GPU, after a denoiser): PNG; JPEG 90"
    return [*rows, [published, "41.9; 24.8", "33.0; 29.2", "6.6", ""]]


def _several(out: Outputs) -> Rows:
    result = json.loads(out["evaluate"])
    found = {r["attack"]: r for r in result["rows"]}
    (measured,) = result["measured"].values()

    def one(attack: str) -> tuple[str, str]:
        row = found[attack]
        return f"{row['cover_psnr']:.1f}", f"{row['psnr']:.1f} ({row['worst_psnr']:.1f})"

    several = [measured["receivers"][n] for n in ("2", "3", "4")]
    strangers = [[name, "", f"{r['psnr']:.1f} dB, {r['correlation']:.3f}, {r['activity']:.2f}", ""]
                 for name, r in measured["strangers"].items()]  # fmt: skip
    return [
        ["one receiver", *one("png"), "33.0 at 41.9"],
        *([f"through JPEG {q}", *one(f"jpeg:{q}"), ""] for q in (90, 80)),
        ["2 / 3 / 4 receivers, mean of all (least)", " / ".join(f"{r['stego']:.1f}" for r in several),
         " / ".join(f"{r['secret']:.1f} ({r['least']:.1f})" for r in several), "31.4 / 28.4 / 25.0"],
        [f"the receiver's cover differs by one level in {' / '.join(measured['covers'])} of its samples", "",
         " / ".join(f"{v:.1f}" for v in measured["covers"].values()), ""],
        *strangers,
    ]  # fmt: skip


def _cs_detectors(out: Outputs) -> Rows:
    names = ("histogram, LDA", "SPAM, LDA", "CNN", "own detector, anew")
    return [[f"{groups(rf'^{name} +([0-9.]+) % right', out['detectors'])[0]} %" for name in names]]


MODES = {"1 bpp": "1 bit per pixel", "1.9 bpp": "1.9 bits per pixel", "keep, top 2": "keep, top 2, full",
         "keep, top 3": "keep, top 3, full", "recolour": "recolour, full",
         "paper's form: 1 bit, gap 0.1": "the paper's form: 1 bit, gap 0.1, top 3"}  # fmt: skip


def _steg_cinn(out: Outputs) -> Rows:
    rows = []
    for mode, name in MODES.items():
        exact, elsewhere, least, db, bpp, right, psnr, *seconds = groups(
            rf"^{mode}: (\d+ of \d+) exact, (\d+ of \d+) elsewhere, least ([\d.]+) bpp, ([\d.]+) dB.*? "
            r"bpp ([\d.]+) right ([\d.]+) psnr ([\d.]+).*?capacity_s ([\d.]+) hide_s ([\d.]+) reveal_s ([\d.]+)",
            out["recovery"],
        )
        shown = f"{float(bpp):.2f}" + (f" ({least})" if "full" in name or "paper" in name else "")
        quality, took = f"{float(psnr):.1f} ({db}) dB", ", ".join(f"{float(s):.1f}" for s in seconds) + " s"
        rows.append([name, f"{exact}; {elsewhere}", shown, f"{100 * float(right):.1f} %", quality, took])
    return rows


def _steg_cinn_commands(out: Outputs) -> Rows:
    rows = []
    for secret, cover, name, must in (
        ("49 kB", "photo.png", "49 kB in 768x512", "12, 8 s"),
        ("1 MB", "12 megapixels.png", "1 MB in 12 megapixels", "4 minutes, 4 GiB"),
    ):
        both = every(
            rf"^(?:hide|reveal) +steg-cinn, {secret}, {cover} +([\d.]+) s +[\d.]+ s +(\d+ MiB)", out["commands"]
        )
        rows.append([name, *(f"{float(seconds):.1f} s, {memory}" for seconds, memory in both), must])
    return rows


MUST = {"stegos against innocent": "53 %", "stegos against covers": "told", "innocent against changed": "a control"}


def _steg_cinn_many(out: Outputs) -> Rows:
    text = out["many"]
    exact, first = groups(r"^(\d+ of \d+) exact, (\d+) by the first draft", text)
    stegos, below, uniform = groups(r"^latents of (\d+): p < 0\.05 in ([\d.]+) %; p-values uniform: p = ([\d.]+)", text)
    told = every(r"^(.+? against .+?), (SPAM of .+?|CNN): ([\d.]+) \+- ([\d.]+) %", text)
    told.sort(key=lambda row: list(MUST).index(row[0]))
    latents = f"p < 0.05 in {below} %; p-values uniform: p = {uniform}"
    return [
        ["messages that the PNG file reveals exactly", f"{exact}, {first} by the first draft", "all of 1,000"],
        [f"latents of {stegos} stegos, Kolmogorov-Smirnov against N(0, 1)", latents, "200 stegos, uniform"],
        *([f"{pair}, {by}", f"{share} +- {error} %", MUST[pair]] for pair, by, share, error in told),
    ]


DRAWN = [
    Table("glow2/pictures", ["the stego went through", "PNG", "JPEG 90", "JPEG 80", "JPEG 40"],
          {"evaluate": "stego evaluate glow2 --secrets {val} --limit 16 --weights textures --json",
           "recovery": "python benchmarks/glow2_recovery.py"}, _glow2_pictures, 1),
    Table("glow2/secrecy", ["what an attacker finds without the key", "ours", "command"],
          {"secrecy": SECRECY, "cnn": "python benchmarks/glow2_detector.py"}, _glow2_secrecy, 6),
    Table("cs-fnns/one-receiver", ["setting, 256x256", "stego, dB", "secret, dB (least)", "seconds, check included",
                                   "speed-up"],
          {"ours": "python benchmarks/cs_fnns.py --photos {val} --ours --limit 16",
           "three": "python benchmarks/cs_fnns.py --photos {val} --limit 3"}, _one_receiver, 0.5),
    Table("cs-fnns/several", ["", "stego, dB", "secret, dB (least)", "paper"],
          {"evaluate": "stego evaluate cs-fnns --secrets {val} --limit 8 --attack jpeg:90 --attack jpeg:80 --json"},
          _several, 0.5),
    Table("cs-fnns/detectors", ["histogram, LDA", "SPAM, LDA", "CNN with batch norm",
                                "the shipped kind of detector, trained anew"],
          {"detectors": "python benchmarks/cs_fnns_detector.py --photos {train} --train 700 --test 500"},
          _cs_detectors, 2),
    Fixed("steg-cinn/differences", "the paper's design beside ours, in words"),
    Table("steg-cinn/modes", ["mode", "exact; by other kernels", "bits per pixel (least)",
                              "raw bits right before the code", "PSNR to the cover (least)", "capacity, hide, reveal"],
          {"recovery": "python benchmarks/steg_cinn_recovery.py --covers {val} --limit 24"}, _steg_cinn, 0.2),
    Table("steg-cinn/many", ["", "measured", "must"],
          {"many": "python benchmarks/steg_cinn_many.py --covers {val} --cache {cache} --cnn"}, _steg_cinn_many, 1),
    Table("steg-cinn/commands", ["", "hide", "reveal", "must"],
          {"commands": "python benchmarks/commands.py --runs 3 --only steg-cinn"}, _steg_cinn_commands, 0.1),
    Fixed("steg-cinn/looks", "`stego evaluate steg-cinn` prints it where the package brisque is installed"),
    Fixed("steg-cinn/flows", "figures of a flow that was trained for it and not kept; `stego evaluate steg-cinn "
          "--weights FILE` measures another"),
]  # fmt: skip
