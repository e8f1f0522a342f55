"""The options of cs-fnns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from stegcli.errors import UsageError
from stegcli.options import AS, NumberOption, Option, PsnrOption, SizeOption

GENERATOR = Option("What draws the cover: textures, or diffusers:REPO for a text-to-image pipeline.")
PROMPT = Option("What the pipeline of --generator diffusers:REPO is told to draw.")
GENERATOR_STEPS = Option("Steps of the pipeline of --generator diffusers:REPO.", min=1)


@dataclass(frozen=True)
class RevealOptions:
    """How a cover is drawn again from the key.

    number: of the message; None stands for 0 when hiding, and for 0 and the next few when revealing. generator: what
    draws the cover, None for the method's own. generator_steps: None for the pipeline's own number.
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
    """travel: how a secret goes. size: of the stego. psnr: dB that the stego keeps to its cover. steps: of the search.

    decoder: what the receiver's key makes. grain: standard deviation in grey levels of the noise that the cover is
    given. evade: whether a detector is misled too. force_number: whether a number may be used again, for tests.
    """

    travel: Annotated[Literal["auto", "bytes", "picture"], AS] = "auto"
    size: SizeOption = None
    psnr: PsnrOption = None
    steps: Annotated[int | None, Option("Steps of the search for a stego.", min=1)] = None
    decoder: Annotated[
        Literal["own", "paper"], Option("The network that the receiver's key makes: ours, or the paper's.")
    ] = "own"
    grain: Annotated[
        float | None, Option("Noise that the cover is given, in grey levels; 0 for none.", min=0, max=12)
    ] = None
    evade: Annotated[bool, Option("Mislead the shipped detector too.")] = False
    force_number: Annotated[bool, Option("Let --number be one that was used with the key before.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder == "paper" and (self.evade or self.psnr is not None):
            raise UsageError("the paper's decoder is searched for in the paper's way", "leave out --psnr and --evade")

    @property
    def drawn(self) -> RevealOptions:
        """What a receiver must be told to draw the same cover."""
        return RevealOptions(self.number, self.generator, self.prompt, self.generator_steps)
