"""Covers by diffusers: a tiny Stable Diffusion of random weights, written here."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import diffusers
import numpy as np
import pytest
import torch
import transformers

from stegcli.errors import StegoError, UsageError, WeightsError
from stegcli.keys.stream import Stream
from stegcli.methods.cs_fnns import diffusion
from stegcli.methods.cs_fnns.diffusion import SEED_BITS, STEP, DiffusionCovers

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LATENTS = 4 * (STEP // 8) ** 2
STEPS = 2
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tokenizer() -> object:
    """One token for each letter, alone or at a word's end."""
    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return transformers.CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=16)


def text_encoder() -> torch.nn.Module:
    config = transformers.CLIPTextConfig(
        vocab_size=54, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return transformers.CLIPTextModel(config)


def unet() -> torch.nn.Module:
    return diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=16,
        attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def vae() -> torch.nn.Module:
    """Four levels: a latent for 8x8 pixels."""
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), latent_channels=4, norm_num_groups=2, sample_size=STEP,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline as `save_pretrained` leaves it, sampled by DDIM."""
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        pipeline = diffusers.StableDiffusionPipeline(
            vae=vae(), text_encoder=text_encoder(), tokenizer=tokenizer(), unet=unet(),
            scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    pipeline.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def covers(folder: Path) -> DiffusionCovers:
    return DiffusionCovers(str(folder), "grass", STEPS)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As with HF_HUB_OFFLINE=1, which the hub's package reads once, and an empty HF_HOME; -> its cache."""
    cache = tmp_path / "hub"
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


def normals(number: int = 0) -> Callable[[int], np.ndarray]:
    return Stream(bytes([number]) * 32).normal


def draw(covers: DiffusionCovers, number: int = 0, height: int = STEP, width: int = STEP) -> np.ndarray:
    return covers.draw(normals(number), height, width)


def copied(folder: Path, path: Path, **index: object) -> Path:
    """The pipeline with other lines in its index."""
    shutil.copytree(folder, path)
    facts = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps({**facts, **index}))
    return path


def sampled_by(folder: Path, path: Path, scheduler: str) -> DiffusionCovers:
    """Its configuration is outdated too, as many repositories' are."""
    copied(folder, path, scheduler=["diffusers", scheduler])
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": scheduler}))
    return DiffusionCovers(str(path), "grass", STEPS)


def test_same_normals_same_picture(folder: Path, covers: DiffusionCovers) -> None:
    picture = draw(covers)
    assert picture.dtype == np.float64
    assert picture.shape == (STEP, STEP, 3)
    assert np.array_equal(picture, np.rint(picture))
    assert 0 <= picture.min() < picture.max() <= 255
    assert np.array_equal(picture, draw(covers))
    assert np.array_equal(picture, draw(DiffusionCovers(str(folder), "grass", STEPS)))


def test_normals_prompt_and_steps_matter(folder: Path, covers: DiffusionCovers) -> None:
    picture = draw(covers)
    assert not np.array_equal(picture, draw(covers, number=1))
    assert not np.array_equal(picture, draw(DiffusionCovers(str(folder), "snow", STEPS)))
    assert not np.array_equal(picture, draw(DiffusionCovers(str(folder), "grass", STEPS + 1)))


def test_sizes(covers: DiffusionCovers) -> None:
    assert draw(covers, height=STEP, width=2 * STEP).shape == (STEP, 2 * STEP, 3)
    for height, width in ((STEP, STEP + 8), (0, STEP), (-STEP, STEP)):
        with pytest.raises(UsageError, match="multiples of 64"):
            draw(covers, height=height, width=width)


def test_noise_is_the_normals(covers: DiffusionCovers) -> None:
    """They are all that the pipeline is given, and nothing outside changes anything or is changed."""
    stream, taken = normals(), []

    def counted(n: int) -> np.ndarray:
        taken.append(n)
        return stream(n)

    torch.manual_seed(1)
    picture = covers.draw(counted, STEP, STEP)
    assert taken == [SEED_BITS, LATENTS]
    left = torch.random.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(left, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert np.array_equal(picture, draw(covers))
    assert not torch.are_deterministic_algorithms_enabled()


def test_latents_are_the_normals(covers: DiffusionCovers) -> None:
    """The pipeline by itself, given them as its `latents`, draws the same."""
    stream = normals()
    stream(SEED_BITS)
    latents = torch.from_numpy(stream(LATENTS)).view(1, 4, STEP // 8, STEP // 8)
    alone = covers._pipeline("grass", STEP, STEP, STEPS, latents=latents, output_type="np").images[0]
    assert np.array_equal(draw(covers), np.rint(alone.astype(np.float64) * 255))


def test_noise_of_samplers_is_the_normals(folder: Path, tmp_path: Path) -> None:
    """Ancestral ones ask for more at each step."""
    covers = sampled_by(folder, tmp_path / "tiny", "EulerAncestralDiscreteScheduler")
    picture = draw(covers)
    torch.manual_seed(5)
    assert np.array_equal(picture, draw(covers))

    stream, taken = normals(), []

    def other_in_the_end(n: int) -> np.ndarray:
        taken.append(n)
        return stream(n) if sum(taken) <= SEED_BITS + LATENTS else normals(1)(n)

    assert not np.array_equal(picture, covers.draw(other_in_the_end, STEP, STEP))
    assert taken == [SEED_BITS, LATENTS] + [LATENTS] * STEPS


def test_noise_mode() -> None:
    generator = torch.Generator().manual_seed(1)
    with diffusion._Noise(normals()):
        given = [
            torch.randn(2, 3, dtype=torch.float64),
            torch.randn((4,), generator=generator, dtype=torch.float64),
            torch.randn_like(torch.zeros(2, 1, dtype=torch.float64)),
        ]
        assert torch.equal(torch.zeros(2), torch.zeros(2))
    assert [tuple(g.shape) for g in given] == [(2, 3), (4,), (2, 1)]
    assert np.array_equal(np.concatenate([g.flatten().numpy() for g in given]), normals()(12))
    torch.manual_seed(1)
    free = torch.randn(4)
    torch.manual_seed(1)
    assert torch.equal(free, torch.randn(4))


def test_seed_is_the_signs() -> None:
    assert diffusion._seed(lambda n: np.ones(n)) == 2**63 - 1
    assert diffusion._seed(lambda n: np.array([-1.0] * (n - 3) + [1.0, -1.0, 1.0])) == 5
    torch.Generator().manual_seed(2**63 - 1)


def test_cached_repository(folder: Path, offline: Path) -> None:
    """As `hf download` leaves it: found without the network, by name and by revision."""
    root = offline / "models--owner--tiny"
    shutil.copytree(folder, root / "snapshots" / COMMIT)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    expected = draw(DiffusionCovers(str(folder), "grass", STEPS))
    assert np.array_equal(expected, draw(DiffusionCovers("owner/tiny", "grass", STEPS)))
    assert np.array_equal(expected, draw(DiffusionCovers(f"owner/tiny@{COMMIT}", "grass", STEPS)))
    for part in (root / "snapshots" / COMMIT / "unet").iterdir():
        part.unlink()
    fails("owner/tiny", WeightsError, "cannot be loaded", hint="hf download owner/tiny")


def test_safety_checker_is_left_out(folder: Path, covers: DiffusionCovers, tmp_path: Path) -> None:
    """Not even its weights are looked for."""
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    path = copied(folder, tmp_path / "tiny", safety_checker=checker, requires_safety_checker=True)
    assert np.array_equal(draw(covers), draw(DiffusionCovers(str(path), "grass", STEPS)))


def test_nothing_on_stderr(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw(DiffusionCovers(str(folder), "grass", STEPS))
    assert capfd.readouterr() == ("", "")


def fails(repo: str, kind: type[StegoError], message: str, hint: str = "") -> None:
    with pytest.raises(kind, match=message) as caught:
        DiffusionCovers(repo, "grass", None)
    assert type(caught.value) is kind
    assert "\n" not in f"{caught.value}{caught.value.hint}"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_package_is_missing(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    fails(
        str(folder), WeightsError, f"covers by diffusers need the package {package}", "pip install 'stegcli[diffusers]'"
    )


def test_repository_is_not_here() -> None:
    fails("owner/absent", WeightsError, "owner/absent is not here", "hf download owner/absent")
    fails("owner/absent@v1", WeightsError, "is not here", "hf download owner/absent --revision v1")
    fails("./no/such/folder", UsageError, "neither a folder nor a repository")


def test_hub_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them reaches the user as it is."""
    hub = importlib.import_module("huggingface_hub")

    def raising(error: Exception) -> None:
        monkeypatch.setattr(hub, "hf_hub_download", Mock(side_effect=error))

    raising(hub.errors.EntryNotFoundError("404"))
    fails("owner/other", UsageError, "not a pipeline", "no model_index.json")
    raising(hub.errors.HfHubHTTPError("401\nrequest", response=Mock()))
    fails("owner/gated", WeightsError, "the hub does not give it", "401")
    for error in (ConnectionError("reset\nby peer"), hub.errors.HTTPError("too slow")):
        raising(error)
        fails("owner/far", WeightsError, "fetching failed: (reset|too slow)$", "hf download owner/far")


def test_no_pipeline(folder: Path, tmp_path: Path) -> None:
    fails(str(tmp_path), UsageError, "not a pipeline", "no model_index.json")
    fails(str(copied(folder, tmp_path / "1", _class_name="Other")), UsageError, "not a pipeline", "no pipeline Other")
    fails(str(copied(folder, tmp_path / "2", _class_name=["own", "Own"])), UsageError, "not a pipeline")
    fails(str(copied(folder, tmp_path / "3", _class_name="DDPMPipeline")), UsageError, "no pictures from text")
    (tmp_path / "3" / "model_index.json").write_text("{")
    fails(str(tmp_path / "3"), WeightsError, "damaged")


def test_weights_are_safetensors_alone(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "tiny")
    weights = path / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(unet().state_dict(), weights.with_suffix(".bin"))
    weights.unlink()
    fails(str(path), WeightsError, "cannot be loaded")
    weights.write_bytes(b"damaged")
    fails(str(path), WeightsError, "cannot be loaded")


def test_code_of_a_repository_is_not_run(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "tiny", unet=["own", "Own"])
    (path / "unet" / "own.py").write_text("raise SystemExit('run')")
    fails(str(path), UsageError, "code of its own", "unet: own")


def test_steps(folder: Path) -> None:
    with pytest.raises(UsageError, match="at least 1 step"):
        DiffusionCovers(str(folder), "grass", 0)


def test_device_is_absent(folder: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be loaded"):
        DiffusionCovers(str(folder), "grass", STEPS, device="no-such-device")


def test_pipeline_that_needs_a_picture(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "tiny", _class_name="StableDiffusionInpaintPipeline")
    with pytest.raises(UsageError, match=f"cannot draw {STEP}x{STEP}"):
        draw(DiffusionCovers(str(path), "grass", STEPS))
