"""Sentences for the user: the largest safe payload, covers to leave out, PSNR last."""

from __future__ import annotations

import numpy as np
import pytest

from stegcli.detectors.figures import Verdict
from stegcli.measuring import advice
from stegcli.measuring.crowd import Crowd
from stegcli.measuring.findings import Case, Findings
from stegcli.pairs import REAL, Cover
from stegcli.pictures.image import Picture


def told(right: float, half: float = 0.03) -> Verdict:
    return Verdict(right, right - half, right + half, right, 1 - right, ((0.0, 0.0), (1.0, 1.0)))


def found(*rows: tuple[str, float, float]) -> Findings:
    """Scheme, rate, accuracy."""
    made = Findings(0, covers=600, learn=400, test=200)
    for scheme, rate, right in rows:
        case = Case(scheme, rate, "bpp", "png", "covers")
        made.rows.append(case.row("SPAM", told(0.5)))
        made.rows.append(case.row("CNN", told(right), psnr=50.0 + rate))
    return made


def some(count: int) -> Crowd:
    return Crowd([Cover(f"{i}.png", Picture(np.zeros((8, 8, 3), np.uint8))) for i in range(count)])


def test_the_largest_payload_below_all_that_are_found_is_safe() -> None:
    made = found(("ours", 0.1, 0.51), ("ours", 0.2, 0.52), ("ours", 0.4, 0.61))
    lines = advice.sentences(made, "ours", "png", some(9))
    assert lines[0].startswith("ours at 0.1 bpp (png): the best detector (CNN) is right about 51.0 %")
    assert "that is no better than chance." in lines[0]
    assert "that is better than chance." in lines[2]
    assert lines[3] == "The largest payload that no detector told from chance here is 0.2 bpp."


def test_a_safe_payload_above_a_found_one_does_not_count() -> None:
    lines = advice.sentences(found(("ours", 0.1, 0.51), ("ours", 0.2, 0.7), ("ours", 0.4, 0.5)), "ours", "png", some(9))
    assert lines[3] == "The largest payload that no detector told from chance here is 0.1 bpp."


def test_where_everything_is_found_it_says_so() -> None:
    lines = advice.sentences(found(("ours", 0.1, 0.8), ("ours", 0.4, 0.9)), "ours", "png", some(9))
    assert lines[2] == "Every payload that was tried is found. Try less than 0.1 bpp, or another method."


@pytest.mark.parametrize(("right", "says"), [(0.97, "work on these pictures"), (0.7, "are weak here")])
def test_a_yardstick_that_is_not_found_is_told(right: float, says: str) -> None:
    lines = advice.sentences(found(("ours", 0.4, 0.5), ("LSB replacement", 0.4, right)), "ours", "png", some(9))
    assert says in lines[2]


def test_other_channels_are_left_alone() -> None:
    assert advice.sentences(found(("ours", 0.4, 0.5)), "ours", "jpeg:80", some(9)) == []


def test_real_pictures_are_another_matter() -> None:
    made = found(("ours", 0.4, 0.5))
    made.rows.append(Case("ours", 0.4, "bpp", "png", REAL).row("SPAM", told(0.99)))
    lines = advice.sentences(made, "ours", "png", some(9))
    assert lines[1].startswith("The largest payload")
    assert lines[2].startswith("Against real pictures stegos of ours are told in 99.0 %")


def test_covers_to_leave_out_are_named_with_the_reason() -> None:
    crowd = some(12)
    crowd.flat, crowd.small, crowd.was_jpeg = ["1.png", "2.png"], [f"{i}.png" for i in range(10)], ["5.png"]
    lines = advice.sentences(found(("ours", 0.4, 0.5)), "ours", "png", crowd)
    assert lines[2].startswith("1 of 12 covers were compressed with loss")
    assert lines[3].startswith("Leave out 1.png, 2.png: large flat parts")
    assert lines[4].startswith("Leave out 0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png and 2 more: few")
    assert len(advice.sentences(found(("ours", 0.4, 0.5)), "ours", "png", some(12))) == 2


def test_few_pairs_are_told() -> None:
    made = found(("ours", 0.4, 0.5))
    made.test = 20
    assert "Only 20 pairs were judged" in advice.sentences(made, "ours", "png", some(9))[2]


def test_psnr_stands_last_and_beside_what_was_found() -> None:
    (line,) = advice.last(found(("ours", 0.1, 0.5), ("ours", 0.4, 0.55), ("LSB replacement", 0.4, 0.99)))
    assert line.startswith("PSNR does not tell what a detector sees.")
    assert "ours 50.4 dB, 55.0 % told rightly; LSB replacement 50.4 dB, 99.0 % told rightly" in line
    assert advice.last(Findings(0)) == []
