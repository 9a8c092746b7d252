"""A circuit breaker before the cloud: after repeated failures the dog says so at once, without waiting.

Minimal on purpose: a later issue deepens it with hedging, latency budgets and metrics.
"""

import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Opens after consecutive failures, and lets a single trial through after each cool-down.

    Ask `allows` before each call and report `succeeded` or `failed` after it. A trial of which
    nothing is ever heard blocks nobody: after another cool-down the next one may go. `clock`
    returns seconds and never goes back. Not thread-safe; it lives on the agent's event loop.
    """

    def __init__(
        self,
        *,
        failures_to_open: int = 2,
        cool_down_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_to_open = failures_to_open
        self._cool_down_s = cool_down_s
        self._clock = clock
        self._failures = 0
        self._next_trial_at_s = 0.0

    @property
    def state(self) -> BreakerState:
        """Return "half_open" where the next `allows` lets a trial through."""
        if self._failures < self._failures_to_open:
            return "closed"
        return "open" if self._clock() < self._next_trial_at_s else "half_open"

    def allows(self) -> bool:
        """Return whether the cloud may be called now; a True in "half_open" is the one trial."""
        state = self.state
        if state == "half_open":
            self._next_trial_at_s = self._clock() + self._cool_down_s
        return state != "open"

    def succeeded(self) -> None:
        """Close: the cloud answers."""
        self._failures = 0

    def failed(self) -> None:
        """Count a failure; at the limit, and after a failed trial, open for one cool-down."""
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._next_trial_at_s = self._clock() + self._cool_down_s
