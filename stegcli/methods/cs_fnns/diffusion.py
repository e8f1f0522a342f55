"""Covers drawn by a text-to-image pipeline of the library diffusers: the key's normals -> a picture.

All noise that a pipeline asks torch for, its first latents and what samplers add later, is the key's stream's, in the
order in which it is asked for. Torch's generators do not serve: on the CPU they start from 32 bits alone, whatever
their seed, so that all covers of a pipeline could be drawn and compared. It also spares us the shape of the latents,
which some pipelines pack. Only what is random and not normal (scrambled tokens, samplers that draw integers) comes
from a generator, with a seed of the same stream: Stable Diffusion, Flux and their kin draw normals alone.

All is computed in float64, whatever the weights are stored in: then threads and vector instructions make no difference
that survives rounding. In float32 2 of 100,000 samples of a tiny pipeline differed, by one grey level, and the cover's
hash with them. Without @REVISION a repository's covers change when it does.

Reference: Cs-FNNS (Li et al., 2024), Eq. 8: Stable Diffusion on Gaussian noise drawn by a seed that is shared.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.overrides import TorchFunctionMode

from stegcli import hub
from stegcli.errors import UsageError, WeightsError
from stegcli.hub import said
from stegcli.keys.key import Key

STEP = 64
"""Multiples of it suit what pipelines divide by: 8 to 32 per latent, 1 or 2 latents per patch."""
SEED_BITS = 63
NUMBERS_TRIED = 8
"""How many numbers of messages a receiver tries, the least first."""
INDEX = "model_index.json"
NEEDED = ("prompt", "height", "width", "output_type")
LEFT_OUT: Mapping[str, Any] = {"safety_checker": None, "requires_safety_checker": False, "add_watermarker": False}
"""What changes pictures after they are drawn: the watermark does if some other package happens to be installed."""

Normals = Callable[[int], np.ndarray]
"""How many -> standard normals, float64 (n,), that go on where the call before stopped."""


class DiffusionCovers:
    """A pipeline, loaded once, that draws covers from normals."""

    step = STEP

    def __init__(self, repo: str, prompt: str, steps: int | None, device: str = "cpu"):
        """repo: a folder, OWNER/NAME or OWNER/NAME@REVISION; steps: of sampling, None for the pipeline's own number.

        Raises UsageError if it is no text-to-image pipeline, WeightsError if it or diffusers is not here.
        """
        self._repo = repo
        self._pipeline = _load(repo, device)
        self._pipeline.set_progress_bar_config(disable=True)
        self._options: dict[str, Any] = {"prompt": prompt, "output_type": "np"}
        self._taken = inspect.signature(self._pipeline.__call__).parameters
        if steps is not None:
            self._set_steps(steps)

    def telling(self, normals: Normals, number: int, key: Key, height: int, width: int) -> Normals:
        """A pipeline cannot be inverted, so nothing tells the number."""
        return normals

    def numbers(self, pixels: np.ndarray, key: Key) -> Sequence[int]:
        return range(NUMBERS_TRIED)

    def draw(self, normals: Normals, height: int, width: int) -> np.ndarray:
        """-> a picture in whole grey levels 0..255, float64 (h, w, 3); takes 63 normals and what the pipeline asks for.

        Raises UsageError if the pipeline draws no pictures of that size.
        """
        if height < STEP or width < STEP or height % STEP or width % STEP:
            raise UsageError(f"{width}x{height}: sides of covers by diffusers are multiples of {STEP}")
        seed = _seed(normals)
        options = {**self._options, "height": height, "width": width}
        if "generator" in self._taken:
            options["generator"] = torch.Generator("cpu").manual_seed(seed)
        try:
            with _reproducible(seed), _Noise(normals):
                drawn = getattr(self._pipeline(**options), "images", None)
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            raise UsageError(f"generator {self._repo} cannot draw {width}x{height}: {said(error)}") from error
        return self._grey_levels(drawn, height, width)

    def _set_steps(self, steps: int) -> None:
        if steps < 1:
            raise UsageError("a cover takes at least 1 step")
        if "num_inference_steps" not in self._taken:
            raise UsageError(f"generator {self._repo} takes no number of steps")
        self._options["num_inference_steps"] = steps

    def _grey_levels(self, drawn: Any, height: int, width: int) -> np.ndarray:
        """What a pipeline gave, float (1, h, w, 3) in [0, 1] -> float64 (h, w, 3)."""
        if not isinstance(drawn, np.ndarray) or drawn.shape != (1, height, width, 3) or not np.isfinite(drawn).all():
            raise UsageError(f"generator {self._repo} draws no {width}x{height} picture in colour")
        levels: np.ndarray = np.rint(drawn[0].astype(np.float64) * 255).clip(0, 255)
        return levels


class _Noise(TorchFunctionMode):
    """While it is entered, torch.randn and torch.randn_like give the key's normals, rounded to what was asked for."""

    def __init__(self, normals: Normals):
        super().__init__()
        self._normals = normals

    def __torch_function__(
        self, called: Any, types: Sequence[Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = called(*args, **(kwargs or {}))
        if called in (torch.randn, torch.randn_like):
            with torch.no_grad():
                given.copy_(torch.from_numpy(self._normals(given.numel())).view(given.shape))
        return given


def _seed(normals: Normals) -> int:
    """63 normals -> the number that their signs write in binary, the first the highest bit: uniform."""
    return int("".join("1" if normal > 0 else "0" for normal in normals(SEED_BITS)), 2)


@contextlib.contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    """Torch's deterministic algorithms where there are any, and its own generator at `seed`; then all as before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[]), _unadvised():
        warnings.filterwarnings("ignore", ".*does not have a deterministic implementation")
        torch.default_generator.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextlib.contextmanager
def _unadvised() -> Iterator[None]:
    """Without advice to the authors of repositories and of diffusers on what they use that is outdated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _load(repo: str, device: str) -> Any:
    """-> the pipeline in float64, from its folder, from the hub's cache, or fetched.

    Weights are read as safetensors alone, and no code is run but that of diffusers and transformers.
    """
    transformers, diffusers = _package("transformers"), _package("diffusers")
    _hush(transformers, diffusers)
    hub = _package("huggingface_hub")
    where, revision = _split(repo)
    pipeline = _pipeline_class(diffusers, repo, _index(repo, where, revision))
    left_out = {n: v for n, v in LEFT_OUT.items() if n in inspect.signature(pipeline.__init__).parameters}
    offline = bool(hub.constants.HF_HUB_OFFLINE)
    try:
        with _unadvised():
            loaded = pipeline.from_pretrained(
                where, revision=revision, use_safetensors=True, local_files_only=offline, **left_out
            )
            return loaded.to(device, torch.float64)
    except ImportError as error:
        raise WeightsError(f"generator {repo} needs another package: {said(error)}") from error
    except (*_FAILURES, hub.errors.HTTPError) as error:
        hint = None if Path(where).is_dir() else f"once online: {_command(where, revision)}"
        raise WeightsError(f"generator {repo} cannot be loaded: {said(error)}", hint) from error


# What diffusers and transformers raise over parts that are missing, damaged, or unknown to them.
_FAILURES = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, SafetensorError)


def _package(name: str) -> Any:
    """An optional package, imported only here. Raises WeightsError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = "pip install 'stegcli[diffusers]'"
        raise WeightsError(f"covers by diffusers need the package {name}", hint) from error


def _hush(*packages: Any) -> None:
    """No advice and no bars on stderr while pipelines load; the hub's own, over what it fetches, stay."""
    for package in packages:
        logging = importlib.import_module(f"{package.__name__}.utils.logging")
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def _split(repo: str) -> tuple[str, str | None]:
    """FOLDER, OWNER/NAME or OWNER/NAME@REVISION -> folder or repository, and revision."""
    if Path(repo).is_dir():
        return repo, None
    where, _, revision = repo.partition("@")
    return where, revision or None


def _command(where: str, revision: str | None) -> str:
    return f"hf download {where}" + (f" --revision {revision}" if revision else "")


def _index(repo: str, where: str, revision: str | None) -> dict[str, Any]:
    """-> what a pipeline's folder or repository says of itself."""
    path = Path(where) / INDEX if Path(where).is_dir() else _fetched_index(repo, where, revision)
    if not path.is_file():
        raise UsageError(f"{repo} is not a pipeline of diffusers", f"it has no {INDEX}")
    try:
        index = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(f"generator {repo}: {INDEX} is unreadable or damaged") from error
    return index if isinstance(index, dict) else {}


def _fetched_index(repo: str, where: str, revision: str | None) -> Path:
    try:
        return hub.fetch(where, INDEX, revision, f"generator {repo}", _command(where, revision))
    except hub.NoSuchFile as error:
        raise UsageError(f"{repo} is not a pipeline of diffusers", f"it has no {INDEX}") from error
    except hub.NoSuchName as error:
        raise UsageError(f"{repo} is neither a folder nor a repository OWNER/NAME") from error


def _pipeline_class(diffusers: Any, repo: str, index: dict[str, Any]) -> Any:
    """-> the class of a text-to-image pipeline, before gigabytes are fetched for another one."""
    name = index.get("_class_name")
    try:
        found = getattr(diffusers, name, None) if isinstance(name, str) else None
    except (ImportError, RuntimeError) as error:
        raise WeightsError(f"diffusers cannot be loaded: {said(error.__cause__ or error)}") from error
    if not (inspect.isclass(found) and issubclass(found, diffusers.DiffusionPipeline)):
        known = f"diffusers {diffusers.__version__} knows no pipeline {name}"
        raise UsageError(f"{repo} is not a pipeline of diffusers", known if isinstance(name, str) else None)
    taken = inspect.signature(found.__call__).parameters
    if any(option not in taken for option in NEEDED):
        raise UsageError(f"generator {repo} makes no pictures from text: it is a {name}")
    for part, facts in index.items():
        if isinstance(facts, list) and len(facts) == 2 and not _is_known(diffusers, facts[0]):
            raise UsageError(f"generator {repo} brings code of its own, which is not run", f"{part}: {facts[0]}")
    return found


def _is_known(diffusers: Any, library: Any) -> bool:
    """Whether a part's code is that of diffusers or transformers."""
    if library in (None, "diffusers", "transformers"):
        return True
    return isinstance(library, str) and inspect.ismodule(getattr(diffusers.pipelines, library, None))
