"""A timeline of faults for the mock dog, read from JSON Lines.

A line is `{"at_s": 12.5, "fault": "silent", "on": true, ...parameters}`: seconds of the dog's own
time since it began, then what `Faults.command` takes. Empty lines and lines with `#` are left out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.mock_robot.faults import Faults
from shared.errors import DataError, RequestError


class _Line(BaseModel):
    model_config = ConfigDict(extra="allow")
    at_s: float = Field(ge=0, allow_inf_nan=False)


@dataclass(frozen=True)
class TimedFault:
    """A switch of one fault, when the dog is `at_s` seconds old."""

    at_s: float
    wish: dict[str, Any]


def read_fault_script(path: Path) -> tuple[TimedFault, ...]:
    """Return the file's switches in the order of their times; DataError names a wrong line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the fault script {path} cannot be read: {error}") from error
    switches = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            switches.append(_read_line(f"{path}:{number}", line))
    return tuple(sorted(switches, key=lambda switch: switch.at_s))


def _read_line(place: str, line: str) -> TimedFault:
    try:
        parsed = _Line.model_validate_json(line)
        wish = dict(parsed.model_extra or {})
        Faults().command(wish)  # a rehearsal: a wrong wish is told before the dog starts
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataError(f"{place}: {'.'.join(map(str, first['loc']))} {first['msg']}") from error
    except RequestError as error:
        raise DataError(f"{place}: {error.message}") from error
    return TimedFault(parsed.at_s, wish)
