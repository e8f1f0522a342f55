"""Progress: long loops tell how far they are, to whoever listens."""

from __future__ import annotations

import pytest

from stegcli import progress, threads


def test_nobody_need_listen() -> None:
    progress.tell(1, 2)
    assert list(progress.steps(range(3))) == [0, 1, 2]


def test_each_step_is_told_when_it_is_done() -> None:
    heard: list[tuple[int, int]] = []
    with progress.heard_by(lambda done, steps: heard.append((done, steps))):
        for step in progress.steps("abc"):
            heard.append((-1, ord(step)))
    assert heard == [(-1, 97), (1, 3), (-1, 98), (2, 3), (-1, 99), (3, 3)]
    progress.tell(1, 1)
    assert len(heard) == 6


def test_an_error_ends_the_listening() -> None:
    heard: list[int] = []
    with pytest.raises(ValueError, match="no"), progress.heard_by(lambda done, steps: heard.append(done)):
        raise ValueError("no")
    progress.tell(1, 1)
    assert not heard


@pytest.mark.parametrize("count", ["1", "3"])
def test_work_in_threads_is_told_too(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    heard: list[tuple[int, int]] = []
    with progress.heard_by(lambda done, steps: heard.append((done, steps))):
        assert list(threads.each(abs, [-1, -2, -3])) == [1, 2, 3]
    assert heard == [(1, 3), (2, 3), (3, 3)]
