"""Requests sent again: one run of the work an id, shared, forgotten where it failed."""

import asyncio
from typing import Any

import pytest

from edge_agent.repeats import Repeats
from shared.errors import Busy, Conflict

TIME_LIMIT_S = 20


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, TIME_LIMIT_S))


class Work:
    """Counts its runs and ends when told."""

    def __init__(self) -> None:
        self.runs = 0
        self.ends = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> Any:
        self.runs += 1
        await self.ends.wait()
        if self.error is not None:
            raise self.error
        return f"outcome {self.runs}"


def test_the_same_id_shares_one_run_also_when_its_caller_goes_away() -> None:
    async def test() -> None:
        repeats, work = Repeats(), Work()
        gone = asyncio.ensure_future(repeats.once("a", "sit", work))
        await asyncio.sleep(0)
        gone.cancel()
        again = asyncio.ensure_future(repeats.once("a", "sit", work))
        other = asyncio.ensure_future(repeats.once("b", "sit", work))
        await asyncio.sleep(0)
        work.ends.set()
        assert await again == "outcome 2"  # told at its end, when both had begun
        await other
        assert await repeats.once("a", "sit", work) == "outcome 2"
        assert work.runs == 2
        with pytest.raises(Conflict):
            await repeats.once("a", "dance", work)

    run(test())


def test_what_failed_may_be_tried_again() -> None:
    async def test() -> None:
        repeats, work = Repeats(), Work()
        work.ends.set()
        work.error = Busy("later")
        with pytest.raises(Busy):
            await repeats.once("a", "sit", work)
        work.error = None
        assert await repeats.once("a", "sit", work) == "outcome 2"

    run(test())


def test_the_oldest_are_forgotten() -> None:
    async def test() -> None:
        repeats, work = Repeats(remembered=2), Work()
        work.ends.set()
        for request_id in ("a", "b", "c", "b", "a"):
            await repeats.once(request_id, "sit", work)
        assert work.runs == 4

    run(test())
