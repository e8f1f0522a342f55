"""The description of a message in its header, in 32 bits.

form 2 | channel 3 | temperature 3 | a file or compressed picture: length in bytes 24
                                   | the cascade, token: 0 2, width 11, height 11 of the picture to restore
"""

from __future__ import annotations

from dataclasses import dataclass

from stegcli.errors import RevealError, UsageError
from stegcli.methods.glow2.layout import CHANNELS

FILE, COMPRESSED, CASCADE, TOKEN = "bytes", "compressed", "cascade", "token"
FORMS = (FILE, COMPRESSED, CASCADE, TOKEN)
PICTURES = (CASCADE, TOKEN)
"""Forms in which a picture's latents travel; "token" is for several receivers, each with its pad in a file."""
LENGTH_BITS, SIDE_BITS = 24, 11
MOST_LENGTH: int = 2**LENGTH_BITS - 1
MOST_RESTORED: int = 2**SIDE_BITS - 1
TEMPERATURES = tuple(t / 100 for t in range(65, 105, 5))


@dataclass(frozen=True)
class Descriptor:
    """channel: one of layout.CHANNELS; length: of data; width, height: of the cascade's picture."""

    form: str
    channel: str
    temperature: float
    length: int = 0
    width: int = 0
    height: int = 0

    def to_int(self) -> int:
        rest = self.length
        if self.form in PICTURES:
            rest = self.width << SIDE_BITS | self.height
        head = FORMS.index(self.form) << 6 | CHANNELS.index(self.channel) << 3 | TEMPERATURES.index(self.temperature)
        return head << LENGTH_BITS | rest


def from_int(value: int) -> Descriptor:
    """The inverse of `to_int`. Raises RevealError for a value that `to_int` cannot give."""
    head, rest = value >> LENGTH_BITS, value & MOST_LENGTH
    form, channel, temperature = head >> 6, head >> 3 & 7, TEMPERATURES[head & 7]
    if FORMS[form] not in PICTURES:
        return Descriptor(FORMS[form], CHANNELS[channel], temperature, rest)
    width, height = rest >> SIDE_BITS, rest & MOST_RESTORED
    if not 0 < width <= MOST_RESTORED or not height:
        raise RevealError
    return Descriptor(FORMS[form], CHANNELS[channel], temperature, width=width, height=height)


def checked_temperature(wanted: float, coolest: float = TEMPERATURES[0]) -> float:
    """A temperature that a header can hold, and not below the lowest that a flow allows. Raises UsageError."""
    nearest = min(TEMPERATURES, key=lambda t: abs(t - wanted))
    if nearest < coolest or not abs(nearest - wanted) <= 1e-6:
        raise UsageError(f"no temperature {wanted:g}", f"{coolest:g} to {TEMPERATURES[-1]:g} in steps of 0.05")
    return nearest
