"""The robust inverse: flows that read the latents of a picture from its JPEG file.

Reference: the paper, section IV-C, Eq. 6 and Fig. 4 (its G2_(2)^-1). There a second INN, which starts from G2 and takes
the quality factor as a condition, and a U-Net in parallel. Here some bands of G2 have a second flow, which starts from
G2's own and learns to read what the file left; all other bands are read by G2. A U-Net that restores the picture first
gained nothing in front of G2 (docs/research/search-glow2.md).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from stegcli.nn import generators
from stegcli.nn.wavelet import Pyramid


class RobustInverse(nn.Module):
    """Second flows for some bands of a G2.

    flow: G2's configuration. bands: names of the bands. spread: what the spread of latents is multiplied by for each
    band, before it is turned into a correlation (`noise.Arrived.at`); 1 for a band that is not named.
    """

    def __init__(self, flow: Mapping[str, Any], bands: Sequence[str], spread: Mapping[str, float] | None = None):
        super().__init__()
        built = generators.build(flow)
        self.flows = nn.ModuleDict({name: built.flows[name] for name in bands})
        self.spread = dict(spread or {})

    def adopt(self, g2: Pyramid) -> None:
        """Start as G2's inverse. Algorithm 1, line 3. Raises RuntimeError for a G2 of another shape."""
        for name, flow in self.flows.items():
            flow.load_state_dict(g2.flows[name].state_dict())

    def reader(self, g2: Pyramid) -> Pyramid:
        """-> G2 with these flows in place of its own. The parameters are shared, nothing is copied."""
        found = copy.copy(g2)
        found._modules = dict(g2._modules)
        found.flows = nn.ModuleDict({**g2.flows, **self.flows})
        return found
