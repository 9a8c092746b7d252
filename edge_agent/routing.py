"""When the cloud is asked: a circuit breaker for outages, and which failure is worth asking again."""

import random
import time
from collections.abc import Callable
from typing import Literal

from shared.errors import CloudError, CloudRefused

BreakerState = Literal["closed", "open", "half_open"]

ATTEMPTS = 3
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""A cloud that asks for more patience is not asked again for this utterance."""
LEAST_LEFT_S = 0.5
"""What must be left of the deadline after a pause, or the next attempt could bring nothing."""
PASSING = frozenset({429, 502, 503})
"""Answers of a cloud that has not begun with the question: too many, no gateway's peer, busy."""


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

    def judge(self, error: CloudError) -> None:
        """Count what a question ended in: a refusal of this one question is a cloud that lives."""
        answered = error.answered if isinstance(error, CloudRefused) else None
        lives = answered is not None and answered < 500 and answered not in (401, 403, 429)
        if lives:
            self.succeeded()
        else:
            self.failed()


class Patience:
    """How long to wait before asking the cloud the same question again, if at all.

    Only where the answer had not begun and the cloud, as far as can be told, had not either: no
    motion can come of it twice, since one answer at most reaches the gate. `chance` gives 0 to 1.
    """

    def __init__(
        self, attempts: int = ATTEMPTS, chance: Callable[[], float] = random.random
    ) -> None:
        self._attempts = attempts
        self._chance = chance

    def pause_s(self, error: CloudError, attempt: int, left_s: float) -> float | None:
        """Return the seconds until the attempt after number `attempt`, None where there is none."""
        if attempt >= self._attempts or not may_be_asked_again(error):
            return None
        # Jitter, so that a room full of dogs does not come back to the cloud in step.
        pause_s = FIRST_PAUSE_S * float(2 ** (attempt - 1)) * (0.5 + self._chance() / 2)
        asked_for_s = error.retry_after_s if isinstance(error, CloudRefused) else None
        if asked_for_s is not None:
            pause_s += asked_for_s
        if pause_s > LONGEST_PAUSE_S or pause_s + LEAST_LEFT_S > left_s:
            return None
        return pause_s


def may_be_asked_again(error: CloudError) -> bool:
    """Return whether the same question, asked again, can do no harm and may bring more."""
    if isinstance(error, CloudRefused):
        return error.answered in PASSING
    return error.passing
