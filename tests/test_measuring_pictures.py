"""Measuring methods that carry pictures: every figure from files, what another key gets, what shows without one."""

import contextlib
import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cli_helpers import ok, photo, refused, save, settle
from flow_helpers import untrained
from skimage import data as photos

from stegcli import api, methods, weights
from stegcli.data import load_pictures
from stegcli.keys.key import Key
from stegcli.measuring import pictures as measuring
from stegcli.method import Draft, Request, Revealed, Secret
from stegcli.methods.cs_fnns.options import HideOptions as CsFnnsOptions
from stegcli.methods.cs_fnns.options import RevealOptions
from stegcli.methods.glow2 import bits, measure, measure_keys, measure_latents, measure_secrecy, rotation, sender
from stegcli.methods.glow2.carriers import Carriers
from stegcli.methods.glow2.measure_latents import Sample
from stegcli.methods.glow2.measure_secrecy import Case
from stegcli.methods.glow2.method import Glow2, build
from stegcli.methods.glow2.options import HideOptions
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import LOSSLESS, Channel
from stegcli.pictures.image import Picture

SMALL = {"widths": [4, 4, 4], "steps": [1, 1, 1]}
PARTS = {
    "g1": SMALL, "g2": SMALL, "inverse": {"flow": SMALL, "bands": ["y1"]}, "udm": {"width": 4},
    "glow": {"levels": 2, "steps": 1, "width": 4}, "side": 64,
}  # fmt: skip
SPECIAL = {"bands", "keys", "secrecy", "inverse", "glow", "udm"}
SIDE = 64
"""Of secrets, here: those of full size take long to compress."""


@pytest.fixture(scope="module", autouse=True)
def _small_secrets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "SIDE", SIDE)
        yield


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    for seed in range(2):
        save(folder / f"{seed}.png", photo(90 + seed, 80, seed))
    (folder / "5.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with all parts, none of them trained."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    method = untrained(build(**PARTS))
    method.inverse.adopt(method.g2)  # what reads nothing leaves no draw that may be used
    path.write_bytes(weights.pack("glow2", method.config, method.networks.state_dict(), {}))
    return path


@pytest.fixture(scope="module")
def result(secrets, tiny):
    ticks = []
    found = measuring.evaluate(
        "glow2", secrets, weights=[str(tiny)], attacks=["jpeg:90"], tick=lambda *t: ticks.append(t)
    )
    return found | {"ticks": ticks}


@pytest.fixture
def method(tiny):
    return weights.load("glow2", tiny)


def sample_of(secrets, *attacks, side=64):
    pictures = load_pictures(secrets, None, "secret", measuring.square)
    return Sample(pictures, [Channel(*a) for a in attacks or [("png",)]], side, side, 0)


# -- the whole


def test_every_form_and_attack_has_a_row(result):
    rows = [(r["attack"], r["form"]) for r in result["rows"]]
    assert rows == [(a, f) for a in ("png", "jpeg:90") for f in ("compressed", "cascade")]
    assert result["secrets"] == 2
    assert [r["paper_psnr"] for r in result["rows"]] == [29.99, 29.99, 27.75, 27.75]


def test_figures_are_those_of_secrets_that_came_back(result):
    png, cascade = result["rows"][:2]
    assert png["came_back"] == cascade["came_back"] == 1
    assert 0 < png["sent_bytes"] <= png["capacity_bytes"]
    assert cascade["sent_bytes"] is None
    assert png["cover_psnr"] is None
    for row in (png, cascade):
        assert 12 < row["worst_psnr"] <= row["psnr"] < 60
        assert 0 < row["worst_ssim"] <= row["ssim"] <= 1
        assert row["hide_seconds"] > 0
        assert row["reveal_seconds"] > 0


def test_progress_reaches_the_end(result):
    shares = [done for done, _ in result["ticks"]]
    assert shares == sorted(shares)
    assert len(shares) == 2 * 4 + len(SPECIAL)
    assert result["ticks"][-1] == (1, 0)


def test_all_parts_are_measured(result, tiny):
    figures = result["measured"][str(tiny)]
    assert set(figures) == SPECIAL
    assert set(figures["udm"]["psnr"]) == set(figures["bands"]) == set(figures["keys"]) == {"png", "jpeg:90"}
    assert set(figures["inverse"]) == {"jpeg:90"}
    assert set(figures["glow"]["bits_per_dimension"]) == {"glow", "g2"}


def test_a_result_is_json_and_has_tables(result):
    assert json.loads(json.dumps(result, allow_nan=False)).keys() == result.keys()
    drawn = measuring.tables(result)
    assert len(drawn) == 1 + len(SPECIAL) + 1  # the plain Glow has two
    for title, columns, rows in drawn:
        assert title
        assert rows
        assert all(len(r) == len(columns) for r in rows)


def test_a_secret_that_does_not_come_back_is_counted():
    means = measuring._means([None, measuring.Trial(30.0, 0.9, 5, 1.0, 1.0)])
    assert means["came_back"] == 0.5
    assert means["psnr"] == 30
    nothing = measuring._means([None])
    assert nothing["came_back"] == 0
    assert nothing["psnr"] is nothing["ssim"] is nothing["sent_bytes"] is None


def test_a_secret_without_loss_has_no_psnr():
    lossless = measuring.Trial(float("inf"), 1.0, 5, 1.0, 1.0)
    means = measuring._means([lossless])
    assert means["without_loss"] == 1
    assert means["psnr"] is None
    assert means["ssim"] == 1


def test_stegos_with_a_cover_are_compared_with_it():
    trials = [measuring.Trial(30.0, 0.9, 5, 1.0, 1.0, p) for p in (40.0, 42.0, float("inf"))]
    assert measuring._means(trials)["cover_psnr"] == 41
    assert measuring._means([measuring.Trial(30.0, 0.9, 5, 1.0, 1.0)])["cover_psnr"] is None


def test_the_cover_has_a_column_where_there_is_one(result):
    plain, *_ = measuring.tables(result | {"measured": {}})
    assert plain[1] == measuring.COLUMNS
    rows = [result["rows"][0] | {"cover_psnr": 41.234}, result["rows"][1]]
    drawn, *_ = measuring.tables(result | {"measured": {}, "rows": rows})
    assert drawn[1] == [*measuring.COLUMNS, "cover PSNR"]
    assert [r[-1] for r in drawn[2]] == ["41.23", "-"]


def test_the_receiver_is_told_how_the_cover_was_drawn(monkeypatch):
    seen = []

    class Drawing:
        about = methods.about("cs-fnns")

        def inference(self, hiding):
            return contextlib.nullcontext()

        def reveal(self, stego, asked):
            seen.append(asked.options)
            return (Revealed(None, stego),)

    picture, cover = (Picture(np.full((16, 16, 3), grey, np.uint8)) for grey in (99, 100))
    draft = Draft(picture, (None,), ("f",), 1, cover=cover, number=2, told=RevealOptions(2, "textures"))
    monkeypatch.setattr(api, "hide", lambda *_: api.Hidden(b"", picture, draft, (1.0,), (LOSSLESS,), 1))
    key, rng = Key("toy", "x", bytes(32)), np.random.default_rng(0)
    request = Request(keys=(key,), options=CsFnnsOptions(generator="textures"))
    trial = measuring._trial(Drawing(), picture, request, rng)
    assert seen == [RevealOptions(2, "textures")]
    assert trial.cover_psnr == metrics.psnr(cover.pixels, picture.pixels)


def test_secrets_are_the_middle_of_pictures():
    wide = np.zeros((128, 256, 3), np.uint8)
    wide[:, 64:192] = 200
    cut = measuring.square(Picture(wide)).pixels
    assert cut.shape == (SIDE, SIDE, 3)
    assert cut.min() == 200


def test_what_is_no_number_becomes_none():
    assert measuring._finite({"a": {"b": float("nan")}, "c": float("inf"), "d": 1.5}) == {
        "a": {"b": None}, "c": None, "d": 1.5,
    }  # fmt: skip


# -- the command


def test_command_measures_shipped_weights(secrets, tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    argv = ("evaluate", "glow2", "--secrets", secrets, "--limit", 1, "--size", "64x64", "--attack", "png")
    found = ok(*argv, "--weights", "default", "--json").json
    assert found["secrets"] == 1
    rows = {(r["attack"], r["form"]): r for r in found["rows"]}
    assert rows["png", "compressed"]["psnr"] > 25
    figures = found["measured"]["default"]
    assert figures["bands"]["png"]["y1"] > 0.9
    curve = figures["keys"]["png"]
    assert curve["0"] > 20
    assert max(curve["1"], curve["wrong key"]) < min(18, curve["0"] - 5)
    assert figures["secrecy"]["cascade"]["scaled_correlation"] < 6


def test_command_draws_tables(secrets, tiny, tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    argv = ("evaluate", "glow2", "--secrets", secrets, "--weights", tiny, "--limit", 1, "--attack", "png")
    printed = ok(*argv).out.decode()
    assert "came back" in printed
    assert "wrong key" in printed


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("glow2",), "glow2 needs --secrets DIR"),
        (("glow2", "--covers", "."), "glow2 needs --secrets DIR"),
        (("glow2", "--secrets", ".", "--covers", "."), "glow2 needs --secrets DIR, and takes no --covers"),
        (("glow2", "--secrets", ".", "--payload", "1"), "glow2 needs --secrets DIR"),
        (("lossless-inn",), "lossless-inn needs --covers DIR"),
        (("lossless-inn", "--secrets", "."), "lossless-inn needs --covers DIR, and takes no --secrets"),
        (("glow2", "--secrets", ".", "--attack", "jpeg:900"), "out of range"),
        (("glow2", "--secrets", ".", "--size", "65x65"), "no size 65x65"),
    ],
)
def test_wrong_use_names_what_the_method_needs(tmp_path, monkeypatch, argv, says):
    settle(tmp_path, monkeypatch)
    refused(2, "evaluate", *argv, says=says)


def test_a_folder_without_pictures_is_refused(tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    refused(3, "evaluate", "glow2", "--secrets", "missing", says="missing is not a folder")


# -- latents


def test_bands_arrive_better_by_png(method, secrets):
    found = measure_latents.bands(method.g2, sample_of(secrets, ("png",), ("jpeg", 40)), 0.9)
    assert found["png"]["y1"] > found["jpeg:40"]["y1"]
    assert found["png"]["base"] > 0.9


def test_an_untrained_robust_inverse_is_the_plain_one(method, secrets):
    method.begin(frozenset())
    found = measure_latents.inverses(method, sample_of(secrets, ("png",), ("jpeg", 80)))
    assert set(found) == {"jpeg:80"}
    assert found["jpeg:80"]["robust"] == pytest.approx(found["jpeg:80"]["plain"])


def test_correlation_is_pearsons():
    a, b = (torch.from_numpy(np.random.default_rng(i).standard_normal(500)) for i in (0, 1))
    assert measure_latents.correlation(a, a + b) == pytest.approx(np.corrcoef(a, a + b)[0, 1])
    assert measure_latents.correlation(a, torch.ones(500)) == 0


# -- keys


def test_only_the_pad_of_a_changed_key_differs():
    key = Key("glow2", "", bytes(range(32)))
    changed = measure_keys._changed(key, lambda pad: 1 - pad)
    same = changed.stream("header 0", 5).uniform(9)
    assert np.array_equal(same, key.stream("header 0", 5).uniform(9))
    assert np.array_equal(changed.stream("pad", 5).uniform(9), 1 - key.stream("pad", 5).uniform(9))


def test_perturbation_goes_around_the_circle():
    rng = np.random.default_rng(0)
    pad = rng.random(10_000)
    assert np.array_equal(measure_keys.perturbed(pad, 0, rng), pad)
    for sigma in (0.01, 1):
        moved = measure_keys.perturbed(pad, sigma, rng)
        assert ((moved >= 0) & (moved < 1)).all()
        distance = np.minimum(np.abs(moved - pad), 1 - np.abs(moved - pad))
        assert distance.mean() == pytest.approx(min(0.8 * sigma, 0.25), rel=0.05)


def test_a_perturbed_key_gets_less_and_less(method, secrets):
    curve = measure_keys.measure(method, sample_of(secrets, ("png",)))["png"]
    assert list(curve) == ["0", "0.0001", "0.001", "0.01", "0.1", "1", "wrong key"]
    assert curve["0"] > curve["0.01"] - 1.5 > curve["0.1"] > curve["1"]  # 0.01 is within what the nonce changes
    assert curve["wrong key"] < 12


# -- secrecy


CASCADE = Request(options=HideOptions("cascade", (64, 64)))


def test_latents_are_those_that_were_drawn_from(method, secrets, monkeypatch):
    drawn = []
    draw = Glow2.draw
    monkeypatch.setattr(Glow2, "draw", lambda self, z, *rest: drawn.append(z.numpy().copy()) or draw(self, z, *rest))
    written = list(measure_secrecy._written(method, sample_of(secrets), CASCADE))
    assert [len(w.z) for w in written] == [3 * 64 * 64] * 2
    assert all(any(np.array_equal(w.z, z) for z in drawn) for w in written)


def test_distribution_tells_normal_from_nearly_normal():
    rng = np.random.default_rng(0)
    normal = measure_secrecy._distribution([rng.standard_normal(20_000) for _ in range(8)])
    assert normal["ks_least"] > 0.001
    assert normal["ks_of_ks"] > 0.001
    wider = measure_secrecy._distribution([1.05 * rng.standard_normal(20_000) for _ in range(8)])
    assert wider["ks_of_ks"] < 0.001
    assert measure_secrecy._distribution([])["ks_least"] is None


@pytest.mark.parametrize("turned", [True, False])
def test_bits_without_the_keys_dither_are_found_in_the_latents(method, secrets, monkeypatch, turned):
    """The control of the tests against N(0, 1): without the dither latents lie on the points of their symbols."""
    if not turned:
        monkeypatch.setattr(bits, "_dither", lambda used, key, nonce: [np.full(len(s.places), 0.01) for s in used])
    request = Request(options=HideOptions("bytes", (64, 64)))
    secret = Secret(bytes(method.capacity(request)))
    written = measure_secrecy._written(method, sample_of(secrets), request, secret)
    found = measure_secrecy._distribution([w.z for w in written])
    assert (found["ks_least"] < 1e-6) == (not turned)


def test_views_put_every_copy_in_its_place():
    """Of two blocks of two numbers the first is carried twice; the last number is carried nowhere."""
    numbers, used = np.array([[2, 0], [1, 3]]), np.array([[4, 5], [6, 7], [0, 1]])
    found = measure_secrecy.views(np.arange(8.0), Carriers(used, np.array([0, 0, 1]), numbers, np.arange(0)), 5)
    assert found.tolist() == [[0, 1, 2, 3, 4], [5, 0, 4, 1, 0], [7, 0, 6, 0, 0]]


@pytest.mark.parametrize("told", [0.0, 0.5])
def test_linear_attack_finds_what_is_told_and_nothing_else(told):
    """A stego whose latents hold a share of the secret's is found out; one that holds none is not."""
    rng = np.random.default_rng(1)

    def case():
        z1 = rng.standard_normal(3 * 32 * 32)
        seen = told * z1 + rng.standard_normal((2, len(z1)))
        return Case(seen, seen.reshape(-1), z1, restore(z1))

    def restore(z):
        return Picture((128 + 30 * z.reshape(32, 32, 3)).clip(0, 255).astype(np.uint8))

    found = measure_secrecy.leak([case() for _ in range(8)], restore, Sample([], [], 64, 64, 0))
    assert (found["scaled_correlation"] > 10) == (told > 0)
    assert (found["by_place_gain"] > 0.5) == (told > 0)
    if not told:
        assert abs(found["by_place_gain"]) < 0.05
    assert found["as_whole_gain"] < 0.5


@pytest.fixture(scope="module")
def photos_to_hide():
    """Photos have latents that vary: what they tell is seen."""
    wholes = [photos.astronaut(), photos.coffee(), photos.chelsea()]
    cut = [w[t : t + 192, 150:342] for t in (0, 100) for w in wholes]
    return Sample([Picture(image.resized(c, 32, 32)) for c in cut], [LOSSLESS], 64, 64, 0)


@pytest.fixture
def fixed(monkeypatch):
    """The same stegos in every run, so that no statistic fails by chance."""
    source = random.Random(0)
    monkeypatch.setattr(sender, "os_random", SimpleNamespace(randbits=source.getrandbits, token_bytes=source.randbytes))


def attacked(method, sample):
    """What the attack finds in stegos of the cascade."""
    written = measure_secrecy._written(method, sample, CASCADE)
    cases = [measure_secrecy.case_of(method, sample, w) for w in written]
    assert len(cases) >= 4  # a flow that never learnt anything draws a clipped picture now and then
    return measure_secrecy.leak(cases, measure_secrecy.restorer(method, sample, 64), sample)


def unturned(stream, blocks):
    """Rotations that turn nothing."""
    return np.eye(rotation.BLOCK)[None].repeat(blocks, 0)


def standardised(x, turned, radial, write=rotation.write):
    """As a trained flow has them: these flows never learnt anything."""
    return write((x - x.mean()) / x.std(), turned, radial)


def test_the_papers_additive_pad_is_found(method, photos_to_hide, fixed, monkeypatch):
    """Reference: the paper, Eq. 7: (z1 + k) / sqrt 2."""

    def added(x, turned, radial):
        return ((x - x.mean()) / x.std() + turned[:, 0] * np.sqrt(rotation.BLOCK)) / np.sqrt(2)

    def pads(stream, blocks):
        return stream.normal(blocks * rotation.BLOCK).reshape(blocks, 1, rotation.BLOCK) / np.sqrt(rotation.BLOCK)

    monkeypatch.setattr(rotation, "write", added)
    monkeypatch.setattr(rotation, "rotations", pads)
    found = attacked(method, photos_to_hide)
    assert found["correlation"] == pytest.approx(0.7, abs=0.05)
    assert found["by_place_gain"] > 1


@pytest.mark.parametrize("rotated", [False, True])
def test_the_rotations_alone_keep_the_secret(method, photos_to_hide, fixed, monkeypatch, rotated):
    monkeypatch.setattr(rotation, "write", standardised)
    if not rotated:
        monkeypatch.setattr(rotation, "rotations", unturned)
    found = attacked(method, photos_to_hide)
    assert (found["correlation"] > 0.9) == (not rotated)
    assert (found["scaled_correlation"] > 5) == (not rotated)
    assert (found["by_place_gain"] > 1) == (not rotated)


def test_one_stego_is_too_few_for_the_linear_attack():
    z1 = np.arange(4.0)
    found = measure_secrecy.leak([Case(z1[None], z1, z1, Picture(np.zeros((2, 2, 3), np.uint8)))], None, None)
    assert found["correlation"] == pytest.approx(1)
    assert found["by_place_gain"] is None


def test_the_papers_module_leaks_and_rotations_do_not(result, tiny):
    """The paper's key is one part noise to one part secret, and there are four copies."""
    figures = result["measured"][str(tiny)]
    assert figures["udm"]["correlation"] > 0.6
    assert figures["secrecy"]["cascade"]["correlation"] < 0.15


def test_without_g1_there_is_no_cascade(secrets):
    method = untrained(build(g2=SMALL, side=64))
    sample = sample_of(secrets)
    assert measure.forms(method) == ["compressed"]
    parts = measure.parts(method, sample.secrets, sample.attacks, None, 0)
    assert set(parts) == {"bands", "secrecy"}
    assert set(parts["secrecy"]()) == {"bytes"}
