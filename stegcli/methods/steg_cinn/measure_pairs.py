"""Pairs for `stego evaluate steg-cinn --detect`: stegos, innocent colourings of the same photo, and that photo."""

from __future__ import annotations

from typing import cast

import numpy as np

from stegcli.keys.stream import Stream
from stegcli.method import Method, Request, Secret
from stegcli.methods.steg_cinn.method import StegCinn
from stegcli.methods.steg_cinn.options import HideOptions
from stegcli.pairs import COLOURINGS, REAL, Cover, Made, Source, Wanted, first, psnr
from stegcli.pictures.image import Picture


def source(method: Method, wanted: Wanted) -> Source:
    return Colourings(method, wanted)


class Colourings(Source):
    """A stego claims to be like an innocent colouring of its cover by the same networks, of as many pixels."""

    rates = (None,)

    def make(self, cover: Cover | None, rng: np.random.Generator) -> Made:
        assert cover is not None
        method, picture, options = cast(StegCinn, self.method), cover.picture, HideOptions()
        room = method.capacity(Request(cover=picture, options=options))
        secret = Secret(self.data(room, picture.width * picture.height, rng))
        draft = first(method, Request((secret,), (self.key(),), picture, options=options))
        with method.inference(hiding=True):
            pixels = method.sender(picture, options).innocent(Stream(rng.bytes(32)), int(draft.measured["top"]))
        innocents = {COLOURINGS: self.sent(Picture(pixels), rng), REAL: self.sent(Picture(picture.pixels), rng)}
        stego = Picture(draft.picture.pixels)
        return Made(self.sent(stego, rng), innocents, 8 * len(secret.data), psnr(picture, draft))
