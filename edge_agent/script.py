"""A script of utterances for the simulation: read, said line by line, and reported as JSON."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from edge_agent.simulation import Simulation
from shared.errors import DataError
from shared.outcome import Outcome
from shared.report import read_json_lines
from shared.text import Language


@dataclass(frozen=True)
class ScriptLine:
    """One utterance of a script."""

    text: str
    lang: Language | None


def read_script(path: Path) -> list[ScriptLine]:
    """Return the lines of a JSON Lines script (text, lang?; other keys are ignored).

    DataError names the line that is wrong.
    """
    lines = [_parse_line(where, value) for where, value in read_json_lines(path)]
    if not lines:
        raise DataError(f"{path} holds no lines")
    return lines


def _parse_line(where: str, value: dict[str, Any]) -> ScriptLine:
    if "wav" in value:
        raise DataError(f"{where}: `wav` lines need speech, which this version does not have yet")
    text, lang = value.get("text"), value.get("lang")
    if not isinstance(text, str):
        raise DataError(f"{where}: `text` is missing or no string")
    if lang is not None and lang not in get_args(Language):
        raise DataError(f"{where}: `lang` must be one of {', '.join(get_args(Language))}")
    return ScriptLine(text, lang)


def run_script(
    simulation: Simulation,
    lines: Sequence[ScriptLine],
    tell: Callable[[ScriptLine, Outcome], None],
) -> dict[str, Any]:
    """Say each line once the dog has settled; `tell` gets one outcome a line, in order.

    Returns what is known at the end: a summary, the mock robot's state and its log of calls.
    """
    outcomes: list[Outcome] = []
    calls: list[dict[str, Any]] = []
    unsettled = 0
    simulation.settle()
    for line in lines:
        simulation.check()
        outcome = simulation.agent.say(line.text, line.lang, session_id="script")
        outcomes.append(outcome)
        tell(line, outcome)
        unsettled += not simulation.settle()
        calls += simulation.mock_calls(after=calls[-1]["sequence"] if calls else 0)
    return {
        "summary": {
            **summarise(outcomes),
            "unsettled": unsettled,
            "cloud_alive": simulation.cloud_alive,
        },
        "robot": simulation.mock_state(),
        "calls": calls,
    }


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how many outcomes there are, by route, by state and by skill that was confirmed."""
    confirmed = [each.execution for each in outcomes if each.execution.state == "confirmed"]
    return {
        "n": len(outcomes),
        "by_route": dict(Counter(outcome.route for outcome in outcomes)),
        "by_state": dict(Counter(outcome.execution.state for outcome in outcomes)),
        "confirmed_skills": dict(Counter(str(execution.skill) for execution in confirmed)),
    }
