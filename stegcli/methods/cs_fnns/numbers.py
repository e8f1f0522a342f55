"""The number of a message, which its cover tells: a receiver reads it from the stego, then draws the cover anew.

    number of 48 bits  --scrambled-->  three stages of 16 bits  --code words-->  signs of SIGNS latents each

A sender takes a random number, so that copies of one key never draw one cover, wherever they are. The signs lie at
places of the key in one band of the cover's flow, which perturbation, grain and JPEG leave readable. The magnitudes are
not changed, so a cover is a draw like any other. The code words (`coding.words`) of a stage are drawn from the key and
the stages before, and numbers that follow each other are scrambled, so no relation between signs holds in all covers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from stegcli.coding import words as code_words
from stegcli.keys.key import Key
from stegcli.nn.wavelet import Band, Pyramid

Normals = Callable[[int], np.ndarray]
STAGES, STAGE_BITS, SIGNS = 3, 16, 96
BITS = STAGES * STAGE_BITS
HALF = 1 << (BITS // 2)
TURNS = 4
"""Rounds of the Feistel network: four make a permutation that looks random (Luby, Rackoff, 1988)."""
OCTAVE = 2
"""Of the band of luminance that tells the number: coarse enough to be readable, with enough latents at 64x64."""
ODDS = 3.0
"""Log-odds of a sign for a latent of 1."""


def told(normals: Normals, number: int, key: Key, band: Band) -> Normals:
    """Normals for a flow -> the same with the signs of a number. Every call is for a whole z."""
    places, signs = _places(key, band), _signs(number, key)

    def with_signs(n: int) -> np.ndarray:
        z = normals(n)
        z[places] = np.copysign(z[places], signs)
        return z

    return with_signs


def read(x: torch.Tensor, key: Key, flow: Pyramid) -> int:
    """A picture as the flow draws it, (1, 3, h, w) -> the likeliest number."""
    band = band_of(flow, x.shape[2], x.shape[3])
    content, context = next((c, around) for name, c, around in flow.analyse(x, band.name) if name == band.name)
    z = flow.flow(band.name)(content, context)[0].flatten().numpy()
    odds = (ODDS * z[_places(key, band) - band.start]).clip(-code_words.MOST_ODDS, code_words.MOST_ODDS)
    stages: list[int] = []
    for part in odds.reshape(STAGES, SIGNS):
        stages.append(code_words.likeliest(_book(key, stages), part))
    return unscrambled(code_words.join(stages, STAGE_BITS), key)


def band_of(flow: Pyramid, height: int, width: int) -> Band:
    return next(b for b in flow.bands(height, width) if b.name.startswith("y") and b.octave == OCTAVE)


def _places(key: Key, band: Band) -> np.ndarray:
    chosen: np.ndarray = key.cover_stream("number places").permutation(band.size)[: STAGES * SIGNS] + band.start
    return chosen


def _signs(number: int, key: Key) -> np.ndarray:
    stages = code_words.split(scrambled(number, key), STAGE_BITS, STAGES)
    words = np.concatenate([_book(key, stages[:i])[word] for i, word in enumerate(stages)])
    return words.astype(np.float64) * 2 - 1


def _book(key: Key, before: list[int]) -> np.ndarray:
    """The code words of the stage after these, uint8 (2^STAGE_BITS, SIGNS)."""
    stream = key.cover_stream(f"number {len(before)}", code_words.join([1, *before], STAGE_BITS))
    return code_words.book(stream, STAGE_BITS, SIGNS)


def scrambled(number: int, key: Key) -> int:
    """A permutation of the numbers below 2^BITS, of the key."""
    left, right = divmod(number, HALF)
    for turn in range(TURNS):
        left, right = right, left ^ _turned(turn, right, key)
    return left * HALF + right


def unscrambled(value: int, key: Key) -> int:
    """The inverse of `scrambled`."""
    left, right = divmod(value, HALF)
    for turn in reversed(range(TURNS)):
        left, right = right ^ _turned(turn, left, key), left
    return left * HALF + right


def _turned(turn: int, half: int, key: Key) -> int:
    return int(key.cover_stream(f"number turn {turn}", half).integers(1, HALF)[0])
