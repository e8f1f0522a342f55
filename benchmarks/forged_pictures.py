"""Are forged and altered pictures refused, and honest ones revealed?

    python benchmarks/forged_pictures.py --photos DIR [--tries 1000] [--stegos 5] [--weights landscapes] [--no-control]
                                         [--only METHOD CHANNEL]

--only runs one of the four groups, with its quarter of the tries: `--only glow2 jpeg:90`.

Stegos of glow2's cascade and of cs-fnns' pictures, that need not survive anything and that survive JPEG, are altered by
somebody who has the networks, and for cs-fnns the cover, but no key. What keeps header or descriptor is left as it is.
Altered stegos that are to survive JPEG are written as PNG and as JPEG by turns. Printed for each way of altering: how
many were tried, how many were revealed, and as a control how many are revealed with the checks switched off. Honest
stegos come first: how many were revealed, through the JPEG that was asked for too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from stegcli import api, weights
from stegcli.cli.console import table
from stegcli.coding.picture_tag import PictureTag
from stegcli.data import load_pictures
from stegcli.errors import RevealError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Method, Request, Secret
from stegcli.methods.cs_fnns import authentic as cs_authentic
from stegcli.methods.cs_fnns import options as cs_options
from stegcli.methods.cs_fnns import spectrum
from stegcli.methods.cs_fnns.descriptor import LOWEST
from stegcli.methods.glow2 import authentic as glow_authentic
from stegcli.methods.glow2 import noise
from stegcli.methods.glow2.layout import Share
from stegcli.methods.glow2.method import Glow2
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.sender import header_places
from stegcli.nn.tensors import from_levels, to_levels
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

Rng = np.random.Generator
JPEG = 90
KEPT: dict[bytes, np.ndarray] = {}


@dataclass(frozen=True)
class Stego:
    """A stego, its key, and another one of the same key, which an attacker may take parts of."""

    picture: Picture
    key: Key
    other: Picture
    cover: Picture | None = None
    other_cover: Picture | None = None


Alter = Callable[[Stego, Rng], np.ndarray]
"""A stego -> the samples of an altered one, uint8 (h, w, 3)."""


# -- glow2: the latents that everybody can read


def on_latents(method: Glow2, change: Callable[[np.ndarray, np.ndarray, Stego, Rng], np.ndarray]) -> Alter:
    """change: latents as points of the circle, and which of them lie in the header's bands -> other points."""

    def alter(stego: Stego, rng: Rng) -> np.ndarray:
        height, width = stego.picture.height, stego.picture.width
        bands = method.bands(height, width)
        taken = header_places(bands, stego.key, Share())
        header = np.zeros(3 * height * width, bool)
        for band in bands:
            header[band.stretch] = bool(((taken >= band.start) & (taken < band.stretch.stop)).any())
        u = change(points(method, stego.picture), header, stego, rng)
        z = torch.from_numpy(ndtri(np.clip(u, 1e-9, 1 - 1e-9)))
        return noise.to_pixels(method.draw(z, height, width, method.temperature))

    return alter


def points(method: Glow2, picture: Picture) -> np.ndarray:
    """The latents of an honest stego, kept: many are made of each."""
    name = picture.pixels.tobytes()
    if name not in KEPT:
        KEPT[name] = ndtr(noise.read(method.generator(), picture.pixels, picture.jpeg).z / method.temperature)
    return KEPT[name]


def glow2_ways(method: Glow2, robust: bool) -> dict[str, Alter]:
    """robust: whether the stegos are to survive JPEG. A stronger change would be needed to show there."""
    factor = 0.7 if robust else 0.8

    def shrunk(u: np.ndarray, header: np.ndarray, stego: Stego, rng: Rng) -> np.ndarray:
        moved: np.ndarray = ndtr(factor * ndtri(np.clip(u, 1e-9, 1 - 1e-9)))
        return moved

    def turned(u: np.ndarray, header: np.ndarray, stego: Stego, rng: Rng) -> np.ndarray:
        moved: np.ndarray = (u + rng.choice([-0.05, 0.05])) % 1
        return moved

    def bands_replaced(u: np.ndarray, header: np.ndarray, stego: Stego, rng: Rng) -> np.ndarray:
        return np.where(header, u, rng.random(len(u)))

    def half_replaced(u: np.ndarray, header: np.ndarray, stego: Stego, rng: Rng) -> np.ndarray:
        return np.where(header | (rng.random(len(u)) < 0.5), u, rng.random(len(u)))

    def spliced(u: np.ndarray, header: np.ndarray, stego: Stego, rng: Rng) -> np.ndarray:
        return np.where(header, u, points(method, stego.other))

    ways = {
        f"all latents times {factor}": shrunk,
        "all bands but the header's are noise": bands_replaced,
        "half of these are noise": half_replaced,
        "these are another stego's": spliced,
    }
    if not robust:
        ways["all latents turned by 0.05"] = turned
    return {name: on_latents(method, way) for name, way in ways.items()}


# -- cs-fnns: the perturbation that every receiver knows


def on_perturbation(change: Callable[[Tensor, Tensor, Rng], Tensor]) -> Alter:
    """change: perturbation, that of another stego -> another one, whose lowest frequencies are set back."""

    def alter(stego: Stego, rng: Rng) -> np.ndarray:
        assert stego.cover is not None
        assert stego.other_cover is not None
        cover = to_levels(stego.cover.pixels)
        mine = to_levels(stego.picture.pixels) - cover
        other = to_levels(stego.other.pixels) - to_levels(stego.other_cover.pixels)
        kept, coefficients = spectrum.to_coefficients(mine), spectrum.to_coefficients(change(mine, other, rng))
        coefficients[0, ..., :LOWEST, :LOWEST] = kept[0, ..., :LOWEST, :LOWEST]
        return from_levels((cover + spectrum.to_picture(coefficients)).round().clamp(0, 255))

    return alter


def cs_fnns_ways() -> dict[str, Alter]:
    def noisy(mine: Tensor, other: Tensor, rng: Rng) -> Tensor:
        return torch.from_numpy(rng.standard_normal(mine.shape, np.float32)) * mine.std()

    def half_noisy(mine: Tensor, other: Tensor, rng: Rng) -> Tensor:
        return torch.cat([mine[..., : mine.shape[3] // 2], noisy(mine, other, rng)[..., mine.shape[3] // 2 :]], dim=3)

    return {
        "all but the descriptor's frequencies is noise": on_perturbation(noisy),
        "half of that": on_perturbation(half_noisy),
        "it is negative": on_perturbation(lambda mine, other, rng: -mine),
        "it is another stego's": on_perturbation(lambda mine, other, rng: other),
    }


def of_pixels(stego: Stego, rng: Rng) -> np.ndarray:
    """One sample moves by one level."""
    changed = stego.picture.pixels.copy()
    changed.reshape(-1)[rng.integers(changed.size)] ^= 1
    return changed


# -- trials


def unchecked() -> ExitStack:
    stack = ExitStack()
    stack.enter_context(mock.patch.object(PictureTag, "holds", return_value=True))
    stack.enter_context(mock.patch.object(glow_authentic, "is_authentic", return_value=True))
    stack.enter_context(mock.patch.object(cs_authentic, "accepts", return_value=True))
    return stack


def reveals(method: Method, picture: Picture, key: Key) -> bool:
    try:
        api.reveal(picture, method, Asked(key, options=method.about.reveal()))
    except RevealError:
        return False
    return True


def as_jpeg(pixels: np.ndarray) -> Picture:
    return image.decode(image.encode(Picture(pixels), "JPEG", JPEG))


def made(method: Method, request: Request, secrets: Sequence[Secret]) -> Iterator[Stego]:
    """Honest stegos, each verified by `api.hide`."""
    for index, secret in enumerate(secrets):
        key, both = keys.generate(method.name, "forged"), []
        for number, one in enumerate((secret, secrets[index - 1])):
            options = request.options
            if isinstance(options, cs_options.HideOptions):
                options = replace(options, number=number)
            both.append(api.hide(replace(request, secrets=(one,), keys=(key,), options=options), method))
        first, second = both
        covers = [h.draft.cover for h in both]
        yield Stego(first.picture, key, second.picture, *covers)


def run(
    method: Method, request: Request, secrets: Sequence[Secret], ways: dict[str, Alter], tries: int, control: bool
) -> list[list[str]]:
    """-> rows of the table."""
    stegos = list(made(method, request, secrets))
    robust = request.harshest.kind == "jpeg"
    honest = sum(reveals(method, s.picture, s.key) for s in stegos)
    if robust:
        honest += sum(reveals(method, as_jpeg(s.picture.pixels), s.key) for s in stegos)
    print(f"{method.name}, {request.harshest}: {honest} of {len(stegos) * (1 + robust)} honest", flush=True)
    rows = []
    for name, way in ways.items():
        revealed = without = tested = 0
        count = tries // len(ways)
        for index in range(count):
            stego = stegos[index * len(stegos) // count]  # one after the other: their covers are kept
            pixels = way(stego, np.random.default_rng([index, len(name)]))
            forged = as_jpeg(pixels) if robust and index % 2 else Picture(pixels)
            revealed += reveals(method, forged, stego.key)
            if control and index % max(1, count // 10) == 0:
                tested += 1
                with unchecked():
                    without += reveals(method, forged, stego.key)
        rows.append([method.name, str(request.harshest), name, str(count), str(revealed), f"{without} of {tested}"])
        print(*rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--stegos", type=int, default=5)
    parser.add_argument("--weights", default="textures", help="of glow2")
    parser.add_argument("--no-control", action="store_true")
    parser.add_argument("--only", nargs=2, metavar=("METHOD", "CHANNEL"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    glow2, cs_fnns = weights.load("glow2", options.weights), weights.load("cs-fnns")
    assert isinstance(glow2, Glow2)
    small = load_pictures(options.photos, options.stegos, "photo", lambda p: Picture(image.resized(p.pixels, 64, 64)))
    secrets = [Secret(b"", p) for p in small]
    asked = {
        glow2: HideOptions("cascade", (glow2.side, glow2.side)),
        cs_fnns: cs_options.HideOptions(size=(128, 128), travel="picture"),
    }
    rows = []
    with torch.no_grad():
        for method in (cs_fnns, glow2):
            for channel in ("png", f"jpeg:{JPEG}"):
                if options.only not in (None, [method.name, channel]):
                    continue
                request = Request(survive=(parse(channel),), options=asked[method])
                ways = glow2_ways(glow2, channel != "png") if method is glow2 else cs_fnns_ways()
                more = {"one sample moved by one level": of_pixels} if channel == "png" else {}
                rows += run(method, request, secrets, ways | more, options.tries // 4, not options.no_control)
    columns = ["method", "survives", "altered", "tries", "revealed", "without the checks"]
    table(f"{sum(int(r[3]) for r in rows)} forged pictures", columns, rows)


if __name__ == "__main__":
    main()
