"""The paper's up-and-down sampling module: latents of a secret <-> twice as wide latents of a stego, under a key.

    Z1 --four copies + N_b--> 12 channels --orthogonal matrix--> Z2's shape, normalised --+ K--> Z2
    Z2' and K --five convolutions--> Z1

Reference: the paper, section IV-D, Eq. 7, 8 and 13. It is here to be compared with. The cascade that ships deals out
keyed places instead: latents here depend on their neighbours, which N_b and K only cover up, and K hides little. It is
as strong as one copy and there are four, so that whoever lacks it still finds Z1 with an error of 0.47 (of 1).
"""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stegcli.nn.wavelet import squeeze

COPIES = 4
CHANNELS = 3
MIXED = COPIES * CHANNELS
LAYERS = 5


class PaperUDM(nn.Module):
    """width: channels inside DOWN. spread: standard deviation of N_b, of which the paper says only that it is Gaussian.

    Each 12x12 block of the orthogonal matrix mixes the copies of the three samples at one position of Z1. The paper
    takes it from invertible U-Nets (Etmann et al., 2020), where each channel has a 4x4 block of its own; there a Haar
    matrix would turn four equal copies into standard deviations 2, 0, 0, 0. Here the matrix is learnt, and whatever it
    is, each output is divided by the standard deviation it gives to a standard normal Z1 ("normalization using mu and
    sigma" in the paper).
    """

    def __init__(self, width: int = 64, spread: float = 0.25):
        super().__init__()
        self.spread = spread
        self.generator = nn.Parameter(torch.randn(MIXED, MIXED))
        widths = [2 * MIXED] + [width] * (LAYERS - 1) + [CHANNELS]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))

    def up(self, z1: Tensor, key_noise: Tensor, nb: Tensor) -> Tensor:
        """Z1 (b, 3, h, w), K (b, 3, 2h, 2w) and N_b / spread (b, 12, h, w), all standard normal -> Z2 of K's shape.

        Z2 = (UP(Z1) + K) / sqrt 2 is standard normal at every place. The paper's text gives K the size of Z1, which
        its Eq. 7 cannot add; here it has that of Z2.
        """
        copies = z1.repeat(1, COPIES, 1, 1) + self.spread * nb
        mixed = torch.einsum("ij,bjhw->bihw", self._normalised_matrix(), copies)
        return (F.pixel_shuffle(mixed, 2) + key_noise) / math.sqrt(2)

    def down(self, z2: Tensor, key_noise: Tensor) -> Tensor:
        """What arrived of Z2, and K, (b, 3, 2h, 2w) each -> an estimate of Z1 (b, 3, h, w)."""
        x = squeeze(torch.cat([z2, key_noise], dim=1))
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        return cast(Tensor, self.layers[-1](x))

    def _normalised_matrix(self) -> Tensor:
        """Orthogonal (12, 12), its rows scaled so that each output has variance 1."""
        matrix = torch.matrix_exp(self.generator - self.generator.T)
        of_sample = matrix.view(MIXED, COPIES, CHANNELS).sum(1)  # equal copies add up before they are squared
        variance = of_sample.square().sum(1, keepdim=True) + self.spread**2
        return matrix / variance.sqrt()
