"""The tables of docs/methods/lossless-inn.md and jpeg-covers.md."""

from __future__ import annotations

import itertools
import json

from _tables import Fixed, Outputs, Rows, Table, every, groups

DETECT = "python benchmarks/detectors.py --photos {train} --cache {cache}"
RECOVER = "python benchmarks/recovery.py --photos {val} --weights"
RATES = ("0.1", "0.4", "1")
ECC = ("0.05 %", "0.2 %", "0.5 %", "1 %", "2 %", "5 %", "10 %")


def _quality(out: Outputs) -> Rows:
    rows = []
    for row in json.loads(out["evaluate"])["rows"]:
        what = [row["weights"], f"{row['net_bpp']:.3g}" + (" (full)" if row["payload_bpp"] is None else "")]
        if row["psnr"] is None:
            rows.append([*what, *["-"] * 5, "refused", "-"])
            continue
        dbs = [f"{row[n]:.1f}" for n in ("psnr", "lsb_psnr", "limit")]
        exact, jpeg = f"{100 * row['exact']:.0f} %", f"{100 * row['attacks']['jpeg:95']:.0f} %"
        rows.append([*what, *dbs, f"{row['ssim']:.5f}", f"{row['lsb_ssim']:.5f}", exact, jpeg])
    return rows


def _exactness(out: Outputs) -> Rows:
    rows = []
    for name, text in out.items():
        if name == "shipped":
            size = sum(int(b) for b, _ in every(r"^\S+ +\d+ \S+ \S+ +(\d+) .*?(\S*lossless-inn\S*)$", text))
            rows.append(["shipped weights", f"{size / 2**20:.1f} MiB", "`ls -l stegcli/pretrained`"])
            continue
        weights, size, exact, done, covers = groups(r"^(\S+) at (\S+): (\d+) of (\d+) payloads in (\d+) covers", text)
        room = groups(r"bytes, ([\d.]+) bpp", text)[0]
        full, little = groups(r"PSNR full: mean ([\d.]+)", text)[0], groups(r"PSNR 0\.1 bpp: mean ([\d.]+)", text)[0]
        came = f"{exact} of {done} exact in {covers} covers"
        told = f"{came}; capacity {room} bpp, {full} dB full, {little} dB at 0.1 bpp"
        options = f"`python benchmarks/recovery.py --photos VAL --weights {weights} --size {size} --covers {covers}`"
        rows.append([f"{weights} at {size}", told, options])
    return rows


ROW = r"{} +{} bpp +([\d.]+) dB  told apart: SPAM +([\d.]+) %.*?(?:CNN +([\d.]+) %)"


def _told(out: Outputs, run: str, scheme: str, rate: str) -> str:
    db, spam, cnn = groups("^" + ROW.format(scheme, rate), out[run])
    return f"{float(db):.1f} dB; {spam} %, {cnn} %"


def _detectors(out: Outputs) -> Rows:
    schemes = [("LSB matching", "lsb"), ("HILL, as a perfect code", "hill"), ("costs of `coset-3`", "coset-3-bound")]
    rows = [[name, *(_told(out, "bound", scheme, rate) for rate in RATES)] for name, scheme in schemes]
    hill = _told(out, "coset-1 at 0.4", "coset-1", "0.4")
    coded = [_told(out, r, "coset-3", b) for r, b in (("coset-3 at 0.1", "0.1"), ("coset-3 at 0.4", "0.4"),
                                                     ("bound", "1"))]  # fmt: skip
    return [*rows, ["`coset-1` as it codes", "", hill, ""], ["`coset-3` as it codes", *coded]]


def _colours(out: Outputs) -> Rows:
    kinds = ("SPAM", "by channel", "of differences", "rich")
    pattern = r"^{} +{} bpp.*?" + "  ".join(rf"{kind} +([\d.]+) %" for kind in kinds)
    named = (("LSB matching", "lsb"), ("`coset-3` as it codes", "coset-3"))
    return [
        [f"{name}, {rate} bpp", *(f"{share} %" for share in groups(pattern.format(scheme, rate), out["colours"]))]
        for name, scheme in named for rate in ("1", "0.4")
    ]  # fmt: skip


def _grey(out: Outputs) -> Rows:
    pattern = r"^{} +{} bpp +([\d.]+) dB .*?SPAM +([\d.]+) %  rich +([\d.]+) %  CNN +([\d.]+) %"
    rows = []
    for name, scheme in (("HILL, as a perfect code", "hill"), ("`coset-3` as it codes", "coset-3")):
        found = [groups(pattern.format(scheme, rate), out["grey"]) for rate in ("0.4", "1")]
        rows.append([name, *(f"{float(db):.1f} dB; {spam} %, {rich} %, {cnn} %" for db, spam, rich, cnn in found)])
    return rows


def _ecc(out: Outputs) -> Rows:
    lines = every(r"^ +([\d.]+) \| +([\d.]+) .*?\| +([\d.]+) .*?\| +([\d.]+) ", out["ecc"])
    names = ("LDPC, soft decisions", "LDPC, hard decisions", "Reed-Solomon (255, k)")
    columns = list(zip(*lines, strict=True))[1:]
    return [[name, *(r if float(r) else "none" for r in rates)] for name, rates in zip(names, columns, strict=True)]


SIGNS = (
    ("files whose encoder shows a difference", r"file (\d+) differ"), ("lone samples on even ground", "lone"),
    ("of these beside pure black or white", "clipped"), ("rows and columns of one value", "frames"),
    ("levels that the histogram lacks", "gaps"), ("coloured pixels in grey", "coloured"),
    ("SPA, mean of the change", "spa"), ("WS, mean of the change", "ws"),
)  # fmt: skip
SETTINGS = [("coset-3", k, b) for b in ("1", "0.2") for k in ("colour", "grey")] + [
    ("LSB", k, "1") for k in ("colour", "grey")
]


def _line(out: Outputs, scheme: str, kind: str, rate: str) -> str:
    run = "full" if rate == "1" else "little"
    return groups(rf"^({scheme} +{kind} +{rate} bpp, .*)$", out[run])[0]


def _signs(out: Outputs) -> Rows:
    rows = []
    for name, sign in SIGNS:
        pattern = sign if "(" in sign else rf"\b{sign} (\d+ > \d+|[+-][\d.]+)"
        rows.append([name, *(groups(pattern, _line(out, *setting))[0] for setting in SETTINGS)])
    return rows


def _estimators(out: Outputs) -> Rows:
    rows = []
    for scheme, kind in itertools.product(("coset-3", "LSB", "replaced"), ("colour", "grey")):
        line = _line(out, scheme, kind, "1")
        told = every(r"([+-][\d.]+) \(standard error ([\d.]+)", line)
        rows.append([f"{scheme}, {kind}", *(f"{mean} +- {error}" for mean, error in told)])
    return rows


def _jpeg_measured(out: Outputs) -> Rows:
    found = every(r"^([\d.]+) bits.*?exact (\d+) of (\d+),.*? were (\d+); filled: file size (\S+) % \(worst (\S+) %\), "
                  r"PSNR ([\d.]+) dB; the colour-lattice check finds (\d+) of (\d+)", out["covers"])  # fmt: skip
    command = "`python benchmarks/jpeg_covers.py --covers VAL --limit 40`"
    exact = ", ".join(f"{e} of {t} at {r}" for r, e, t, *_ in found)
    headers = f"{sum(int(f[3]) for f in found)} of {sum(int(f[2]) for f in found)}"
    sizes = "; ".join(f"{f[4]} % (worst {f[5]} %) at {f[0]}" for f in found)
    rows = [["exact, random messages up to the limit", exact, command],
            ["segments before the scan as they were, Huffman tables aside", headers, "the same"],
            ["file size, limit filled", sizes, "the same"],
            ["PSNR to the cover, limit filled", ", ".join(f"{f[6]} dB at {f[0]}" for f in found),
             "the same"],
            ["stegos in colour that the colour-lattice check finds",
             " of ".join(str(sum(int(f[i]) for f in found)) for i in (7, 8)), "the same"]]  # fmt: skip
    for size, what, seconds, memory in every(r"^(\d+) MP, \d+ bytes, (\w+): ([\d.]+) s, (\d+) MiB", out["commands"]):
        told = f"{seconds} s in user mode, {memory} MiB"
        rows.append([f"1 kB in {size} megapixels: {what}", told, "`python benchmarks/jpeg_covers.py --commands 2 12`"])
    return rows


def _jpeg_detectors(out: Outputs) -> Rows:
    names = (("nsF5, at its bound", "nsF5"), ("J-UNIWARD, at its bound", "bound:juniward"),
             ("J-UNIWARD as `stego` codes it", "coded:juniward"), ("with side information", "coded:side"))  # fmt: skip
    found = {(s, r): f"{m} +- {e} %" for s, r, m, e in every(
        r"^(\S+) +([\d.]+) bits per non-zero.*?: +([\d.]+) % \(\+- ([\d.]+)\)", out["detectors"])}  # fmt: skip
    return [[name, *(found.get((scheme, rate), "") for rate in ("0.1", "0.4"))] for name, scheme in names]


def _jpeg_evaluated(out: Outputs) -> Rows:
    (measured,) = json.loads(out["evaluate"])["measured"].values()
    named: dict[str, dict[float, str]] = {}
    for row in measured["jpeg"]["rows"]:
        cnn = "" if row["cnn"] is None else f"; {100 * row['cnn']:.1f} %"
        told = row["note"] or f"{100 * row['dctr']:.1f} +- {100 * row['spread']:.1f} %{cnn}"
        named.setdefault(row["scheme"], {})[row["rate"]] = told
    return [[name, told[0.1], told[0.4]] for name, told in named.items()]


PIXELS = [
    Table("lossless-inn/quality",
          ["weights", "payload, bpp", "PSNR, dB", "LSB", "limit", "SSIM", "LSB", "exact", "after JPEG 95"],
          {"evaluate": "stego evaluate lossless-inn --covers {small} --limit 8 --attack jpeg:95 --json"},
          _quality, 0.5),
    Table("lossless-inn/exactness", ["what", "figure", "command"],
          {"coset-1": f"{RECOVER} coset-1 --covers 20",
           "coset-1 small": f"{RECOVER} coset-1 --size 128x128 --covers 100 --payloads 20",
           "1bpp": f"{RECOVER} 1bpp --size 128x128", "3bpp": f"{RECOVER} 3bpp --size 128x128",
           "coset-3": f"{RECOVER} coset-3 --covers 5", "shipped": "ls -l stegcli/pretrained"}, _exactness, 3),
    Table("lossless-inn/detectors", ["", "0.1 bpp", "0.4 bpp", "1 bpp"],
          {"bound": f"{DETECT} --schemes lsb hill --bound coset-3 --coset coset-3",
           "coset-1 at 0.4": f"{DETECT} --schemes --coset coset-1 --bpp 0.4",
           "coset-3 at 0.4": f"{DETECT} --schemes --coset coset-3 --bpp 0.4 --first {{cache}}/coset-3-bound-1-1500.pt",
           "coset-3 at 0.1": f"{DETECT} --schemes --coset coset-3 --bpp 0.1 --first {{cache}}/coset-3-0.4-1500.pt"},
          _detectors, 20),
    Table("lossless-inn/colours",
          ["", "averaged over the colours", "of each colour, side by side", "of red - green and blue - green",
           "rich model"],
          {"colours": "python benchmarks/detectors.py --photos {train} --learn 200 --test 100 --epochs 0 --schemes lsb "
           "--coset coset-3 --bpp 1 0.4"}, _colours, 0.5),
    Table("lossless-inn/grey", ["", "0.4 bpp", "1 bpp"],
          {"grey": f"{DETECT} --grey --schemes hill --coset coset-3 --bpp 1 0.4"}, _grey, 0.5),
    Table("lossless-inn/ecc", ["wrong bits", *ECC], {"ecc": "python benchmarks/ecc.py"}, _ecc, 0.3),
    Fixed("jpeg-covers/lattice", "the rule by which covers are judged, in words"),
    Table("jpeg-covers/signs", ["", *(f"{s}, {b} bpp, {k}" for s, k, b in SETTINGS)],
          {"full": "python benchmarks/tell_tales.py --photos {val} --limit 170 --bpp 1",
           "little": "python benchmarks/tell_tales.py --photos {val} --limit 50 --bpp 0.2"}, _signs),
    Table("jpeg-covers/estimators", ["", "SPA", "WS", "RS", "chi-square, probability"],
          {"full": "python benchmarks/tell_tales.py --photos {val} --limit 170 --bpp 1"}, _estimators, 0.5),
    Fixed("jpeg-covers/steganalysers", "StegExpose and aletheia come from no package registry; its command: beside it"),
    Table("jpeg-covers/measured", ["what", "figure", "command"],
          {"covers": "python benchmarks/jpeg_covers.py --covers {val} --limit 40",
           "commands": "python benchmarks/jpeg_covers.py --commands 2 12"}, _jpeg_measured, 0.2),
    Table("jpeg-covers/detectors", ["scheme", "0.1", "0.4"],
          {"detectors": "python benchmarks/jpeg_detectors.py --covers {photos} --limit 1500 --schemes nsF5 "
           "bound:juniward coded:juniward coded:side@0.4 --minutes 38"}, _jpeg_detectors, 0.7),
    Table("jpeg-covers/evaluated", ["scheme", "0.1", "0.4"],
          {"evaluate": "stego evaluate lossless-inn --covers {photos} --jpeg 75 --limit 200 --json"},
          _jpeg_evaluated, 1),
]  # fmt: skip
