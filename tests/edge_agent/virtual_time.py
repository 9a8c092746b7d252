"""An event loop whose time passes only when told, so that seconds of waiting cost none and order is fixed."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

MANY_TURNS = 10_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """Everything due at the present time is run by `settle`; `advance` moves the present.

    Work for executors is done at once and on the spot.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *given: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(function(*given))
        except Exception as error:  # noqa: BLE001 - it is handed to whoever awaits the work
            future.set_exception(error)
        return future

    def settle(self) -> None:
        """Run what is ready or due until nothing is."""
        for _ in range(MANY_TURNS):
            if not self._ready and not self._due():  # type: ignore[attr-defined]
                return
            self.stop()  # one turn without waiting
            self.run_forever()
        raise AssertionError("the loop never comes to rest: something spins")

    def advance(self, seconds: float, step_s: float = 0.01) -> None:
        """Let time pass in small steps and run what falls due."""
        for _ in range(round(seconds / step_s)):
            self.now += step_s
            self.settle()

    def do(self, work: Any, within_s: float = 300.0) -> Any:
        """Run a coroutine to its end, letting time pass as it needs; return its result."""
        task = self.create_task(work)
        self.settle()
        gives_up_at = self.now + within_s
        while not task.done():
            assert self.now < gives_up_at, "it never ends"
            self.advance(0.01)
        return task.result()

    def next_timer_at(self) -> float:
        """When the next timer falls due; infinity where there is none."""
        timers = self._scheduled  # type: ignore[attr-defined]
        return float(timers[0]._when) if timers else math.inf

    def _due(self) -> bool:
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            # asyncio drops cancelled timers at the top of its heap at its next turn only.
            return True
        return bool(timers) and timers[0]._when <= self.now + self._clock_resolution  # type: ignore[attr-defined]
