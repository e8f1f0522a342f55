"""Data into the coefficients of a JPEG file and back: costs, slots and the payload layer brought together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stegcli.coding import jpeg_costs, payload
from stegcli.coding.coset import HEADER_BITS
from stegcli.coding.sealing import TAG_BYTES
from stegcli.errors import CapacityError, FileError
from stegcli.keys.key import Key
from stegcli.methods.lossless_inn import jpeg_slots
from stegcli.methods.lossless_inn.jpeg_slots import CoefficientPlanes
from stegcli.pictures.image import Quantisation
from stegcli.pictures.jpeg import Jpeg

Costs = Literal["juniward", "uerd"]
MODEL = {"juniward": jpeg_costs.juniward, "uerd": jpeg_costs.uerd}

USUAL_LIMIT, HIGHEST_LIMIT = 0.1, 0.4
"""Message bits for each AC coefficient that is not zero. At 0.1 detectors are near chance, above 0.4 none of the costs
keeps them there."""
BEST_QUALITY = 98
"""From 99 on the errors of rounding the decoded pixels tell a stego, whatever the costs: 81 % at 100, 57 % at 99."""


@dataclass(frozen=True)
class Changed:
    """Coefficients with a message. blocks: for each component, as `Component.blocks`.

    coded_bits: of the message, sealed. changes: how many coefficients were changed.
    """

    blocks: list[np.ndarray]
    coded_bits: int
    changes: int


def check_quality(cover: Jpeg) -> None:
    """Raises FileError for a file whose rounding is too fine to hide in."""
    steps = cover.components[0].steps
    if Quantisation(steps, steps, False).quality > BEST_QUALITY:
        raise FileError(
            f"cover is a JPEG of quality {BEST_QUALITY + 1} or more: whatever is hidden there can be detected",
            "use a JPEG of quality 95 or less, or the picture before compression with -o out.jpg --quality 90",
        )


def capacity(cover: Jpeg, limit: float = USUAL_LIMIT) -> int:
    """The most bytes within `limit` bits for each AC coefficient that is not zero; 0 if there is no room at all."""
    slots = payload.capacity(jpeg_slots.count(cover.components), "coset")
    allowed = (int(limit * cover.nonzero_ac) - HEADER_BITS) // 8 - TAG_BYTES
    return max(0, min(slots, allowed))


def hide(
    data: bytes, key: Key, cover: Jpeg, costs: Costs = "juniward", limit: float = USUAL_LIMIT,
    errors: list[np.ndarray] | None = None,
) -> Changed:  # fmt: skip
    """Data and cover -> the coefficients of a stego. Raises CapacityError, FileError.

    errors: for a cover just compressed, what rounding took away from each component's coefficients, in steps.
    """
    check_quality(cover)
    _check_room(data, cover, limit)
    payload.prepare_coset(jpeg_slots.count(cover.components), data)
    planes = _planes(cover, costs, errors)
    plan = payload.write_coset(data, key, planes)
    moved = planes.chosen(plan.bits, plan.key.stream("direction").bits(len(planes)).astype(bool))
    return Changed(
        jpeg_slots.scatter(moved, cover.components), plan.coded_bits, int(np.count_nonzero(moved != planes.samples))
    )


def reveal(stego: Jpeg, key: Key) -> bytes:
    """Stego -> data. Raises RevealError."""
    samples = jpeg_slots.gather([c.blocks for c in stego.components])
    return payload.read_residues((samples & 3).astype(np.uint8), key)


def _check_room(data: bytes, cover: Jpeg, limit: float) -> None:
    room = capacity(cover, limit)
    if len(data) > room:
        more = capacity(cover, HIGHEST_LIMIT)
        hint = "use a larger photo"
        if len(data) <= more:
            hint += f", or --payload-limit {HIGHEST_LIMIT} ({more} bytes, easier to detect)"
        raise CapacityError(room, len(data), hint)


def _planes(cover: Jpeg, costs: Costs, errors: list[np.ndarray] | None) -> CoefficientPlanes:
    samples = jpeg_slots.gather([c.blocks for c in cover.components])
    up = down = [MODEL[costs](c) for c in cover.components]
    if errors is not None:
        both = [jpeg_costs.side_informed(c, e) for c, e in zip(up, errors, strict=True)]
        up, down = [u for u, _ in both], [d for _, d in both]
    return CoefficientPlanes(samples, jpeg_slots.gather(up), jpeg_slots.gather(down))
