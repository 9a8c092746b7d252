"""How much each key may ask: a token bucket for its rate, and a bound on what runs at once."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import RateLimited


@dataclass(frozen=True)
class KeyLimits:
    """What one key may do; `burst` requests may come at once after a quiet time."""

    requests_per_minute: float
    burst: int
    concurrent: int


@dataclass
class _Account:
    """One key's state: what is left in its bucket, when that was counted, and what runs."""

    left: float
    counted_at_s: float
    running: int = 0


class Quotas:
    """Counts by key; lives on the event loop. `clock` returns seconds and never goes back.

    There is one account a key of the settings, so that nothing grows with what callers send.
    """

    def __init__(self, limits: KeyLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def enter(self, key: str) -> None:
        """Count a request that begins; RateLimited where the key may not ask now."""
        now_s = self._clock()
        account = self._accounts.setdefault(key, _Account(self._limits.burst, now_s))
        per_s = self._limits.requests_per_minute / 60
        account.left = min(
            self._limits.burst, account.left + per_s * (now_s - account.counted_at_s)
        )
        account.counted_at_s = now_s
        if account.running >= self._limits.concurrent:
            raise RateLimited(
                f"this key has {account.running} requests under way, as many as it may; "
                "wait for one of them"
            )
        if account.left < 1:
            raise RateLimited(
                f"this key may ask {self._limits.requests_per_minute:g} times a minute; slow down",
                (1 - account.left) / per_s,
            )
        account.left -= 1
        account.running += 1

    def leave(self, key: str) -> None:
        """Count a request's end; call once for each `enter` that let it in."""
        self._accounts[key].running -= 1


def retry_after(seconds: float) -> str:
    """Return a Retry-After header's value: whole seconds, at least 1."""
    return str(max(1, math.ceil(seconds)))
