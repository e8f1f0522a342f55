"""glow2's descriptors: 32 bits that say one thing, and say nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcli.errors import RevealError, UsageError
from stegcli.methods.glow2.descriptor import (
    CASCADE,
    COMPRESSED,
    FILE,
    FORMS,
    MOST_LENGTH,
    MOST_RESTORED,
    PICTURES,
    TEMPERATURES,
    TOKEN,
    Descriptor,
    checked_temperature,
    from_int,
)
from stegcli.methods.glow2.layout import CHANNELS

channels, temperatures = st.sampled_from(CHANNELS), st.sampled_from(TEMPERATURES)
sides = st.integers(1, MOST_RESTORED)
bytes_of_some_form = st.builds(
    Descriptor, st.sampled_from([FILE, COMPRESSED]), channels, temperatures, st.integers(0, MOST_LENGTH)
)
pictures = st.builds(
    Descriptor, st.sampled_from(PICTURES), channels, temperatures, width=sides, height=sides,
)  # fmt: skip
descriptors = bytes_of_some_form | pictures


@settings(max_examples=300, deadline=None, derandomize=True)
@given(descriptors)
def test_round_trip(described):
    value = described.to_int()
    assert 0 <= value < 2**32
    assert from_int(value) == described


@settings(max_examples=200, deadline=None, derandomize=True)
@given(descriptors, descriptors)
def test_no_two_share_a_number(one, other):
    assert (one == other) == (one.to_int() == other.to_int())


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_any_number_is_a_descriptor_or_refused(value):
    try:
        described = from_int(value)
    except RevealError:
        return
    assert described.to_int() == value


EXTREMES = [
    Descriptor(FILE, CHANNELS[0], TEMPERATURES[0], 0),
    Descriptor(COMPRESSED, CHANNELS[-1], TEMPERATURES[-1], MOST_LENGTH),
    Descriptor(CASCADE, CHANNELS[0], TEMPERATURES[0], width=1, height=1),
    Descriptor(CASCADE, CHANNELS[-1], TEMPERATURES[-1], width=MOST_RESTORED, height=MOST_RESTORED),
    Descriptor(CASCADE, CHANNELS[3], TEMPERATURES[5], width=MOST_RESTORED, height=1),
]


@pytest.mark.parametrize("described", EXTREMES, ids=lambda d: f"{d.form}-{d.channel}")
def test_extremes(described):
    assert from_int(described.to_int()) == described


IMPOSSIBLE = {
    "all ones": 2**32 - 1,
    "cascade of nothing": 0b10 << 30,
    "cascade without width": 0b10 << 30 | 5,
    "cascade without height": 0b10 << 30 | 5 << 11,
    "wider than can be": 0b10 << 30 | 1 << 22 | 5 << 11 | 5,
    "token of nothing": 0b11 << 30,
    "token of something wider": 0b11 << 30 | 0b10 << 22 | 5 << 11 | 5,
}


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_says_nothing_is_refused(value):
    with pytest.raises(RevealError):
        from_int(value)


@pytest.mark.parametrize(
    ("described", "value"),
    [
        (Descriptor(FILE, "png", 0.65, 0), 0),
        (Descriptor(COMPRESSED, "jpeg:80", 0.9, 1234), 0x5D0004D2),
        (Descriptor(CASCADE, "jpeg:40", 1.0, width=640, height=480), 0xBF1401E0),
        (Descriptor(TOKEN, "jpeg:95", 0.7, width=1, height=2047), 0xC9000FFF),
    ],
)
def test_numbers_never_change(described, value):
    """A stego hidden today must reveal tomorrow."""
    assert described.to_int() == value


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_temperatures_that_a_header_can_tell_are_taken(temperature):
    assert checked_temperature(temperature) == temperature
    assert checked_temperature(temperature + 1e-9) == temperature


@pytest.mark.parametrize("temperature", [0, 0.6, 0.66, 0.875, 1.05, -0.9, 90, float("inf")])
def test_others_are_refused(temperature):
    with pytest.raises(UsageError, match="no temperature"):
        checked_temperature(temperature)


def test_bits_suffice_for_all_that_there_is_to_tell():
    assert len(TEMPERATURES) == len(CHANNELS) == 8
    assert (TEMPERATURES[0], TEMPERATURES[-1]) == (0.65, 1.0)
    assert len(FORMS) <= 4
