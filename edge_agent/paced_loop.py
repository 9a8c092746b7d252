"""An event loop whose clock runs faster than time, so that a rehearsal need not last as long."""

import asyncio
import selectors
import time
from typing import Any


class PacedLoop(asyncio.SelectorEventLoop):
    """Everything that waits on this loop waits `speed` times shorter; `time` runs as much faster.

    Whatever blocks outside of the loop, as the robot's SDK does in its threads, keeps its own pace.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(_PacedSelector(speed))

    def time(self) -> float:
        """Return seconds on the faster clock."""
        return time.monotonic() * self._speed


class _PacedSelector(selectors.SelectSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[Any]:
        return super().select(None if timeout is None else timeout / self._speed)
