"""Threads: how many, in which order the results come, and where errors go."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from stegcli import threads


@pytest.mark.parametrize(("asked", "count"), [("1", 1), ("3", 3), ("99", threads.MOST), ("0", 1)])
def test_the_environment_decides_how_many(asked: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads.count() == count


@pytest.mark.parametrize("asked", [None, "", "many"])
def test_without_it_there_is_one_for_each_core(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    assert threads.count() == 2


@pytest.mark.parametrize("count", ["1", "3"])
def test_results_come_in_order(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    used = set()

    def slow_first(work: int) -> int:
        used.add(threading.get_ident())
        time.sleep(0.02 / (1 + work))
        return work * work

    assert list(threads.each(slow_first, range(6))) == [0, 1, 4, 9, 16, 25]
    assert (len(used) > 1) == (count != "1")


@pytest.mark.parametrize("count", ["1", "2"])
def test_an_error_comes_out_and_the_rest_is_left(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    begun = []

    def fail(work: int) -> None:
        begun.append(work)
        time.sleep(0.01)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(threads.each(fail, range(500)))
    assert len(begun) < 100


def test_limit_holds_for_torch_too_if_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torch:
        used = 0

        def set_num_threads(self, count: int) -> None:
            self.used = count

    torch = Torch()
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setitem(sys.modules, "torch", torch)
    threads.limit(2)
    assert (threads.count(), torch.used) == (2, 2)
    monkeypatch.delitem(sys.modules, "torch")
    threads.limit(1)
    assert threads.count() == 1
