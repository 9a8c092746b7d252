"""The requests that the mock dog got, in order, as its page and the tests read them."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from shared.outcome import now_rfc3339

LENGTH = 20_000
LONGEST_TEXT = 200


@dataclass(frozen=True)
class LoggedCall:
    """One request as the service answered it; `at_s` counts from the mock's start.

    `code` is None where a silent dog has left the request unanswered.
    """

    sequence: int
    time: str
    at_s: float
    service: str
    api_id: int
    name: str
    parameter: dict[str, Any]
    code: int | None


class CallLog:
    """The last LENGTH calls; guarded by whoever owns it."""

    def __init__(self) -> None:
        self.last = 0
        self._calls: deque[LoggedCall] = deque(maxlen=LENGTH)

    def add(
        self,
        at_s: float,
        service: str,
        api_id: int,
        name: str | None,
        parameter: str,
        code: int | None,
    ) -> None:
        """Add a request with the code of its answer."""
        self.last += 1
        self._calls.append(
            LoggedCall(
                sequence=self.last,
                time=now_rfc3339(),
                at_s=round(at_s, 4),
                service=service,
                api_id=api_id,
                name=name or "unknown",
                parameter=_readable(parameter),
                code=code,
            )
        )

    def after(self, sequence: int, service: str | None) -> list[LoggedCall]:
        """Return the calls above a number, oldest first; of every service for None."""
        return [
            call
            for call in self._calls
            if call.sequence > sequence and service in (None, call.service)
        ]


def _readable(parameter: str) -> dict[str, Any]:
    """Return a request's parameter as the log shows it; long texts, as sound, are cut."""
    try:
        values = json.loads(parameter or "{}", parse_constant=str)  # NaN is no JSON: keep its name
    except ValueError:
        return {"unreadable": parameter[:LONGEST_TEXT]}
    if not isinstance(values, dict):
        return {"unreadable": parameter[:LONGEST_TEXT]}
    return {
        name: f"{value[:40]}… ({len(value)} characters)"
        if isinstance(value, str) and len(value) > LONGEST_TEXT
        else value
        for name, value in values.items()
    }
