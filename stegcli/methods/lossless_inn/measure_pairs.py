"""Pairs for `stego evaluate lossless-inn --detect`: covers and stegos, in pixels or, with --jpeg, in coefficients."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow

from stegcli.errors import CapacityError, FileError, UsageError
from stegcli.method import Method, Request, Secret
from stegcli.methods.lossless_inn import jpeg_hiding
from stegcli.methods.lossless_inn.options import EvaluateOptions, HideOptions
from stegcli.pairs import COVERS, Cover, Given, Made, Source, Unit, Wanted, first, psnr, reduced
from stegcli.pictures import image, jpeg
from stegcli.pictures.channel import LOSSLESS

LEAST_NONZERO = 1000
"""AC coefficients that are not zero; a cover with fewer has no room for a header."""


def source(method: Method, wanted: Wanted) -> Source:
    options = wanted.options
    if options is None or options.jpeg is None:
        return Pixels(method, wanted)
    if options.epochs != EvaluateOptions.epochs:
        raise UsageError("--epochs means nothing to --detect", "--cnn EPOCHS does")
    if wanted.survive != LOSSLESS:
        raise UsageError("--jpeg and --attack do not go together", "coefficients are sent as they are")
    return Coefficients(method, wanted)


class Pixels(Given):
    """Its sender computes on arrays alone."""

    side_by_side = True


class Coefficients(Source):
    """The user's pictures are reduced, which ends the JPEG past that they may have, and saved with the quality."""

    unit: Unit = "bpnzAC"
    side_by_side = True

    def __init__(self, method: Method, wanted: Wanted):
        super().__init__(method, wanted)
        self.quality: int = wanted.options.jpeg
        asked = wanted.options.rate
        self.rates: Sequence[float | None] = (jpeg_hiding.USUAL_LIMIT if asked is None else asked,)
        if wanted.rate is not None and wanted.rate > jpeg_hiding.HIGHEST_LIMIT:
            raise UsageError(f"JPEG covers take at most {jpeg_hiding.HIGHEST_LIMIT:g} bits per nonzero AC coefficient")

    @property
    def channel(self) -> str:
        return f"jpeg:{self.quality}"

    def ready(self, cover: Cover) -> Cover:
        small = reduced(cover.picture)
        buffer = io.BytesIO()
        pixels = small.pixels[..., 0] if small.grey else small.pixels
        Pillow.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=self.quality)
        file = buffer.getvalue()
        if jpeg.read(file).nonzero_ac < LEAST_NONZERO:
            raise FileError("it has too little texture")
        return Cover(cover.name, image.decode(file), file)

    def make(self, cover: Cover | None, rng: np.random.Generator) -> Made:
        assert cover is not None
        assert cover.file is not None
        rate = self.wanted.rate or self.rates[0]
        assert rate is not None
        options = HideOptions(payload_limit=rate)
        room = self.method.capacity(Request(cover=cover.picture, options=options, format="JPEG"))
        if room <= 0:
            raise CapacityError(0, 1)
        secret = Secret(rng.bytes(room))
        draft = first(self.method, Request((secret,), (self.key(),), cover.picture, options=options, format="JPEG"))
        assert draft.file is not None
        bits = int(rate * jpeg.read(cover.file).nonzero_ac)
        return Made(draft.file, {COVERS: cover.file}, bits, psnr(cover.picture, draft))
