"""The header that says how many milliseconds a caller can still wait."""

from collections.abc import Mapping

from shared.errors import RequestError
from shared.messages import DEADLINE_HEADER, DEFAULT_DEADLINE_MS

_MAX_DIGITS = 9


def read_deadline_s(headers: Mapping[str, str], max_deadline_s: float) -> float:
    """Return the seconds that the caller can wait, at most `max_deadline_s`.

    RequestError for anything but a whole positive number of milliseconds.
    """
    given = headers.get(DEADLINE_HEADER, str(DEFAULT_DEADLINE_MS)).strip()
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_DIGITS) or int(given) == 0:
        raise RequestError(f"{DEADLINE_HEADER}: send the milliseconds left, a whole number above 0")
    return min(int(given) / 1000, max_deadline_s)
