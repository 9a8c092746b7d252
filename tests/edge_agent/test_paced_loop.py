"""A faster loop: its clock and its waits, without a wall clock's word in the tests."""

import selectors
import time

from edge_agent.paced_loop import PacedLoop


def test_its_clock_runs_faster(monkeypatch):
    loop = PacedLoop(4.0)
    try:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        before = loop.time()
        monkeypatch.setattr(time, "monotonic", lambda: 102.5)
        assert loop.time() - before == 10.0
    finally:
        monkeypatch.undo()
        loop.close()


def test_its_waits_are_shorter(monkeypatch):
    waited = []
    select = selectors.SelectSelector.select

    def note(selector, timeout=None):
        waited.append(timeout)
        return select(selector, timeout)

    monkeypatch.setattr(selectors.SelectSelector, "select", note)
    loop = PacedLoop(100.0)
    try:
        loop._selector.select(5.0)
    finally:
        loop.close()
    assert waited == [0.05]
