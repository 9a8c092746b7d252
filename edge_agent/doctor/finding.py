"""A finding: one line of what the doctor saw, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What was found of one part; `todo` is empty where nothing is to be done.

    "failed" is a part without which the dog does not work, "warning" one that it can do without,
    "skipped" one that could not be looked at or is not installed.
    """

    name: str
    state: State
    message: str
    todo: str = ""

    def describe(self) -> dict[str, str]:
        """Return it for `--json`."""
        return asdict(self)


def ok(name: str, message: str) -> Finding:
    """Return that a part is as it should be."""
    return Finding(name, "ok", message)


def warning(name: str, message: str, todo: str = "") -> Finding:
    """Return that a part is missing which the dog can do without."""
    return Finding(name, "warning", message, todo)


def failed(name: str, message: str, todo: str = "") -> Finding:
    """Return that a part is missing which the dog needs."""
    return Finding(name, "failed", message, todo)


def skipped(name: str, message: str) -> Finding:
    """Return that a part could not be looked at, or is not installed and need not be."""
    return Finding(name, "skipped", message)
