"""The options of cs-fnns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import AS, NumberOption, Option, PsnrOption, SizeOption

GENERATOR = Option("Generator of the cover: textures, or diffusers:REPO for a text-to-image pipeline.")
PROMPT = Option("With --generator diffusers:REPO: the prompt.")
GENERATOR_STEPS = Option("With --generator diffusers:REPO: number of steps.", min=1)
GRAIN = Option("Noise to add to the cover, in grey levels; 0 for none.", min=0, max=12)


@dataclass(frozen=True)
class RevealOptions:
    """The options that the drawing of a cover depends on.

    number: number of the message; None means a random one when hiding, and the one that the cover tells when revealing;
    with diffusers the least unused, and the first few. generator: what draws the cover, None for the method's own.
    generator_steps: None for the pipeline's default.
    """

    number: NumberOption = None
    generator: Annotated[str | None, GENERATOR] = None
    prompt: Annotated[str | None, PROMPT] = None
    generator_steps: Annotated[int | None, GENERATOR_STEPS] = None

    def __post_init__(self) -> None:
        kind, _, repo = (self.generator or "textures").partition(":")
        if (kind, repo) != ("textures", "") and (kind != "diffusers" or not repo):
            raise UsageError(f"no generator {self.generator!r}", "textures or diffusers:REPO")
        for flag, value in (("prompt", self.prompt), ("generator-steps", self.generator_steps)):
            if value is not None and kind != "diffusers":
                raise UsageError(f"--{flag} goes with --generator diffusers:REPO")


@dataclass(frozen=True)
class HideOptions(RevealOptions):
    """travel: form of the secret. size: of the stego. psnr: dB of the stego to its cover. steps: of the search.

    decoder: which network the receiver's key makes. grain: standard deviation, in grey levels, of the noise added to
    the cover. evade: whether to mislead a detector too. force_number: whether to allow a used number, for tests.
    """

    travel: Annotated[Literal["auto", "bytes", "picture"], AS] = "auto"
    size: SizeOption = None
    psnr: PsnrOption = None
    steps: Annotated[int | None, Option("Steps of the search for a stego.", min=1)] = None
    decoder: Annotated[Literal["own", "paper"], Option("Design of the network that the key makes: own or paper.")] = (
        "own"
    )
    grain: Annotated[float | None, GRAIN] = None
    evade: Annotated[bool, Option("Make the bundled steganalysis detector take the stego for a cover.")] = False
    force_number: Annotated[bool, Option("Allow a --number that was used with the key before.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder == "paper" and (self.evade or self.psnr is not None):
            raise UsageError("--decoder paper uses the paper's search, without --psnr and --evade", "leave them out")

    @property
    def drawn(self) -> RevealOptions:
        """The options that a receiver needs to draw the same cover."""
        return RevealOptions(self.number, self.generator, self.prompt, self.generator_steps)


@dataclass(frozen=True)
class SampleOptions:
    """size, grain: of a cover without a message, as for a stego."""

    size: SizeOption = None
    grain: Annotated[float | None, GRAIN] = None

    @property
    def drawn(self) -> RevealOptions:
        return RevealOptions()
