"""A configuration -> the flow it describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stegcli.nn.blocks import BlockFlow
from stegcli.nn.wavelet import Pyramid, WaveletFlow

KINDS: dict[str, type[Pyramid]] = {"wavelet": WaveletFlow, "blocks": BlockFlow}


def build(config: Mapping[str, Any]) -> Pyramid:
    """kind: one of KINDS, by default the wavelet flow; all other entries are arguments of that flow."""
    shape = {name: value for name, value in config.items() if name != "kind"}
    return KINDS[config.get("kind", "wavelet")](**shape)
