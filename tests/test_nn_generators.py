"""Configurations and the flows that they describe."""

import pytest

from stegcli.nn import generators
from stegcli.nn.blocks import BlockFlow
from stegcli.nn.wavelet import WaveletFlow


def test_without_a_kind_it_is_the_wavelet_flow():
    """As the configurations of the first weights have it."""
    flow = generators.build({"widths": [4, 4], "steps": [1, 1]})
    assert isinstance(flow, WaveletFlow)
    assert flow.levels == 1


def test_kinds_are_built_as_they_say():
    flow = generators.build({"kind": "blocks", "octaves": 2, "width": 4, "features": 4})
    assert isinstance(flow, BlockFlow)
    assert flow.side == 32
    assert isinstance(generators.build({"kind": "wavelet", "widths": [4, 4], "steps": [1, 1], "cues": 1}), WaveletFlow)


@pytest.mark.parametrize("config", [{"kind": "fourier"}, {"kind": "blocks", "octaves": 1, "waves": 2}])
def test_what_it_does_not_know_is_refused(config):
    with pytest.raises((KeyError, TypeError)):
        generators.build(config)
