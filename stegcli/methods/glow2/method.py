"""Secrets <-> a generated picture.

    secret  --bits or the cascade-->  latents z, exactly N(0, 1)  --G2 at a temperature-->  stego
    stego   --G2 inverse-->  latents and how far each may have moved  -->  header  -->  secret

No cover is modified: the stego is a sample of G2 like any other. `sample` draws pictures without a message by the same
rule.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from stegcli.about import About
from stegcli.errors import UsageError, WeightsError
from stegcli.keys.stream import Stream
from stegcli.method import Asked, Draft, Method, Request, Revealed
from stegcli.methods.glow2 import ABOUT, header, layout, noise
from stegcli.methods.glow2.descriptor import MOST_LENGTH, TEMPERATURES, checked_temperature
from stegcli.methods.glow2.inverse import RobustInverse
from stegcli.methods.glow2.layout import Share, Table
from stegcli.methods.glow2.noise import Arrived
from stegcli.methods.glow2.receiver import Receiver
from stegcli.methods.glow2.rivals.glow import Glow
from stegcli.methods.glow2.rivals.refiner import Refiner
from stegcli.methods.glow2.rivals.udm import PaperUDM
from stegcli.methods.glow2.rule import Rule
from stegcli.methods.glow2.sender import TRIES, Sender
from stegcli.methods.glow2.sr import build_upscaler
from stegcli.nn import drawing, generators
from stegcli.nn.wavelet import Band, Pyramid
from stegcli.pictures.image import Picture, Quantisation

MOST_SIDE = 512
READINGS_KEPT = 2
SMALLER = 0.5
"""Share of a table's rate that is promised below the default size: draws differ more there, and have more border. Of 12
textures of 64x64 the median brought across 0.84 of what the table of 128x128 asks for as PNG, and 0.39 through JPEG 80
(`python benchmarks/glow2_rule.py --weights textures --size 64x64 --draws 12`)."""
COOLER = 4.0
"""Share of the promise that is taken back for each unit of temperature below the one that the tables were measured at.
Of 12 textures of 128x128 the median brought across, of what the tables ask for, 1.06 at 0.9 as PNG and 0.65 through
JPEG 80, and 1.18 and 1.15 at 0.95 (`python benchmarks/glow2_rule.py --temperature T`)."""
Normals = Callable[[int], np.ndarray]
"""n -> n standard normal numbers, float64: `Stream.normal` or a generator's `standard_normal`."""
BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "g1": lambda **c: generators.build(c),
    "g2": lambda **c: generators.build(c),
    "sr": lambda **c: build_upscaler(c),
    "refiner": Refiner,
    "inverse": RobustInverse,
    "udm": PaperUDM,
    "glow": Glow,
}
"""Name of a part -> function that builds it from its configuration."""


class Glow2(Method):
    """g1, g2, sr, refiner, inverse, udm, glow: the configuration of each part, None for a missing one.

    side: default size of a stego. temperature: the default. coolest: the lowest temperature; below it draws show
    artefacts, since the nets get contexts unlike those of any picture. tables: see `layout.tables`.
    """

    about: ClassVar[About] = ABOUT

    def __init__(
        self,
        g1: dict[str, Any] | None = None,
        g2: dict[str, Any] | None = None,
        sr: dict[str, Any] | None = None,
        refiner: dict[str, Any] | None = None,
        inverse: dict[str, Any] | None = None,
        udm: dict[str, Any] | None = None,
        glow: dict[str, Any] | None = None,
        side: int = 128,
        temperature: float = 0.9,
        coolest: float | None = None,
        tables: Mapping[str, Mapping[str, object]] | None = None,
    ):
        parts = {"g1": g1, "g2": g2, "sr": sr, "refiner": refiner, "inverse": inverse, "udm": udm, "glow": glow}
        self._shapes = {name: shape for name, shape in parts.items() if shape}
        rest = {name: value for name, value in {"coolest": coolest, "tables": tables}.items() if value}
        super().__init__(self._shapes | rest | {"side": side, "temperature": temperature})
        self.side, self.temperature, self.coolest = side, temperature, coolest or TEMPERATURES[0]
        self.tables = layout.tables(tables)
        self.refines = True  # whether to use the refiner, if there is one
        self._arrived: dict[bytes, Arrived] = {}

    def build_networks(self) -> nn.Module:
        return nn.ModuleDict({name: BUILDERS[name](**shape) for name, shape in self._shapes.items()})

    def begin(self, given: frozenset[str]) -> None:
        if self.inverse is not None and not any(n.startswith("inverse.") for n in given):
            self.inverse.adopt(self.generator())

    # -- the parts

    def _part(self, name: str) -> nn.Module | None:
        return dict(cast(nn.ModuleDict, self.networks).items()).get(name)

    @property
    def g1(self) -> Pyramid | None:
        return cast("Pyramid | None", self._part("g1"))

    @property
    def g2(self) -> Pyramid | None:
        return cast("Pyramid | None", self._part("g2"))

    @property
    def sr(self) -> nn.Module | None:
        return self._part("sr")

    @property
    def refiner(self) -> Refiner | None:
        return cast("Refiner | None", self._part("refiner"))

    @property
    def inverse(self) -> RobustInverse | None:
        return cast("RobustInverse | None", self._part("inverse"))

    @property
    def udm(self) -> PaperUDM | None:
        return cast("PaperUDM | None", self._part("udm"))

    @property
    def glow(self) -> Glow | None:
        return cast("Glow | None", self._part("glow"))

    def generator(self, double: bool = False) -> Pyramid:
        """G2, in float64 if `double`. Raises WeightsError if the weights have none."""
        if self.g2 is None:
            raise WeightsError("these weights have no generator", "train one: stego train glow2 --part g2")
        return self._doubled if double else self.g2

    def secrets_flow(self) -> Pyramid:
        """G1. Raises WeightsError if the weights have none."""
        if self.g1 is None:
            raise WeightsError("these weights have no G1 for pictures", "use --as compressed")
        return self.g1

    @functools.cached_property
    def _doubled(self) -> Pyramid:
        return copy.deepcopy(self.generator()).double()

    # -- drawing pictures

    def sample(
        self, normals: Normals, height: int, width: int, temperature: float | None = None, double: bool = False
    ) -> Tensor:
        """Normal numbers -> a picture drawn from G2, (1, 3, h, w) in [0, 1], not rounded; float64 if `double`.

        Draws that are not finite or clipped too much are rejected, by the same rule as for stegos, which depends on the
        picture only.
        """
        flow, heat = self.generator(double), temperature or self.temperature
        x = drawing.draw(flow, lambda n: torch.from_numpy(normals(n)), height, width, heat, 100 * TRIES)
        if x is None:
            raise WeightsError("the generator draws only clipped pictures", "use other weights")
        return x

    def draw(self, z: Tensor, height: int, width: int, temperature: float) -> Tensor:
        """Latents (3 h w,) -> the picture (1, 3, h, w) that G2 makes from them."""
        flow = self.generator()
        return flow.inverse(z.to(flow.colour.device, torch.float32).view(1, 3, height, width) * temperature)

    def read(self, picture: Picture) -> Arrived:
        """A received picture -> its latents. The last few are kept: what the rule judges is read again to verify it."""
        cells = picture.jpeg
        name = hashlib.sha256(str(picture.pixels.shape).encode() + picture.pixels.tobytes())
        if cells is not None:
            name.update(cells.luminance.tobytes() + cells.colours.tobytes() + bytes([cells.halved]))
        found = self._arrived.get(name.digest())
        if found is None:
            found = self.latents(picture.pixels, cells)
            if len(self._arrived) >= READINGS_KEPT:
                self._arrived.clear()
            self._arrived[name.digest()] = found
        return found

    def latents(self, pixels: np.ndarray, cells: Quantisation | None) -> Arrived:
        """The latents of pixels that are, or have been, a JPEG of this quantisation; None if they are no JPEG's."""
        if cells is None or self.inverse is None:
            return noise.read(self.generator(), pixels, cells)
        return noise.read(self.inverse.reader(self.generator()), pixels, cells, self.inverse.spread)

    def innocent(self, request: Request, stream: Stream) -> Picture:
        options = request.options
        asked = self.temperature if options.temperature is None else options.temperature
        rule = Rule(self, request, options.receivers, checked_temperature(asked, self.coolest))
        height, width = rule.size
        found = rule.first(lambda: stream.normal(3 * height * width))
        if found is None:
            raise WeightsError(f"no draw carries messages through {request.harshest}", "use a milder --survive")
        return Picture(noise.to_pixels(found[1]))

    # -- how much fits

    def capacity(self, request: Request) -> int:
        height, width = self.size(request)
        channel = layout.channel_for(request.harshest)
        shares = [Share(i, request.receivers) for i in range(request.receivers)]
        temperature = getattr(request.options, "temperature", None)
        return max(0, min(self.room(height, width, channel, share, temperature) for share in shares))

    def size(self, request: Request) -> tuple[int, int]:
        """Height and width of the stego. Raises UsageError for a size that the generator does not draw."""
        width, height = request.options.size or (self.side, self.side)
        if not self.has_size(height, width):
            raise UsageError(f"no size {width}x{height}", f"multiples of {self._step} from 64 to {MOST_SIDE}")
        return height, width

    def has_size(self, height: int, width: int) -> bool:
        """Whether a stego may have this size."""
        return all(s % self._step == 0 and self.about.min_side <= s <= MOST_SIDE for s in (height, width))

    @property
    def _step(self) -> int:
        """Sides of a stego are multiples of this number, for the flow and for JPEG blocks of halved colours."""
        return max(16, self.generator().side)

    def bands(self, height: int, width: int) -> list[Band]:
        return self.generator().bands(height, width)

    def room(self, height: int, width: int, channel: str, share: Share, temperature: float | None = None) -> int:
        """The most bytes that one receiver's share of a stego can carry for a channel; 0 or less if none.

        temperature: of the generator; the weights' own if None.
        """
        table, bands = self.tables[channel], self.bands(height, width)
        pool = np.concatenate(layout.header_pool(bands, share))[: header.SLOTS]
        if len(pool) < header.SLOTS:
            return 0
        available = sum(s.size for s in layout.stretches(bands, table, share, pool))
        return min(MOST_LENGTH, layout.capacity(available, self.rate(table, height, width, temperature)))

    def rate(self, table: Table, height: int, width: int, temperature: float | None = None) -> float:
        """Message bits for each coded bit that are promised. Tables hold from the default size and temperature on."""
        cooler = 0.0 if temperature is None else max(0.0, self.temperature - temperature)
        return table.rate * (SMALLER if min(height, width) < self.side else 1.0) * (1 - COOLER * cooler)

    # -- hiding and revealing

    def drafts(self, request: Request) -> Iterator[Draft]:
        return Sender(self, request).drafts()

    def reveal(self, stego: Picture, asked: Asked) -> tuple[Revealed, ...]:
        return (Receiver(self, stego, asked).reveal(),)


def build(**config: Any) -> Glow2:
    """Configuration, as weights carry it -> the method, its networks not built yet."""
    return Glow2(**config)
