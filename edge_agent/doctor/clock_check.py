"""The clock: a sane date, kept by NTP where that is known, and not stepped while we looked."""

import ctypes
import sys
from collections.abc import Callable
from datetime import datetime, timezone

from edge_agent.doctor.finding import Finding, ok, warning

NEVER_BEFORE = datetime(2025, 1, 1, tzinfo=timezone.utc)
LARGEST_STEP_S = 0.5
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512
SET_IT = "let NTP set it: `timedatectl set-ntp true`"


def check_clock(
    now: datetime, step_s: float, synchronized: Callable[[], bool | None] | None = None
) -> Finding:
    """Return the finding; `step_s` is how much the wall clock ran ahead of the monotonic one."""
    told = now.isoformat(timespec="seconds")
    if now < NEVER_BEFORE:
        return warning("clock", f"it says {told}, which cannot be", SET_IT)
    if abs(step_s) > LARGEST_STEP_S:
        return warning("clock", f"{told}; it was set by {step_s:+.1f} s while we looked", SET_IT)
    by_ntp = (synchronized or ask_kernel)()
    if by_ntp is None:
        return ok("clock", f"{told}; whether NTP keeps it is not known")
    if not by_ntp:
        return warning("clock", f"{told}; no NTP keeps it", SET_IT)
    return ok("clock", f"{told}, kept by NTP")


def ask_kernel() -> bool | None:
    """Return whether the kernel's clock is synchronised, None where it does not say (Linux)."""
    if sys.platform != "linux":
        return None
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: modes 0 changes nothing
    state = ctypes.CDLL(None).adjtimex(buffer)
    return None if state < 0 else state != _TIME_ERROR
