"""The header that says how many milliseconds a caller can still wait."""

from typing import Annotated

from fastapi import Header

from shared.messages import DEADLINE_HEADER

DeadlineHeader = Annotated[
    str | None,
    Header(
        alias=DEADLINE_HEADER,
        pattern=r"^[1-9][0-9]{0,8}$",
        description="The milliseconds that the caller can still wait.",
        examples=["20000"],
    ),
]


def deadline_seconds(given_ms: str | None, default_s: float, max_s: float) -> float:
    """Return the seconds that the caller can wait, at most `max_s`."""
    return min(default_s if given_ms is None else int(given_ms) / 1000, max_s)
