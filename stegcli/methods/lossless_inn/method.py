"""The method: two coders, one contract.

    network   the paper's INN, trained blind: one or three slots per pixel, read by the network from the stego alone.
              The sender sees the whole channel: what the network reads wrongly is mended, the code corrects the rest.
    coset     three slots per pixel, the samples themselves; a syndrome-trellis code finds the few to change by
              one, and in which direction, where it shows least. The receiver needs integers and the key, no network;
              the sender takes costs from a filter (HILL) or from a learned density.

Which is better, measured side by side: `stego evaluate lossless-inn`.
"""

from __future__ import annotations

from typing import Any

from stegcli.errors import WeightsError
from stegcli.slots import BitMethod


def build(coder: str, **config: Any) -> BitMethod:
    """Configuration, as weights carry it -> the method. Raises WeightsError for a coder of a newer version."""
    if coder == "coset":
        from stegcli.methods.lossless_inn.coset import CosetCoder

        return CosetCoder(**config)
    if coder == "network":
        from stegcli.methods.lossless_inn.network import NetworkCoder

        return NetworkCoder(**config)
    raise WeightsError(f"this stego has no coder {coder!r} of lossless-inn", "install a newer stego")
