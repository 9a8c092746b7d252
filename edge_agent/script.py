"""A script of utterances for the simulation: read, said line by line, and reported as JSON."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from edge_agent.agent_client import AgentClient, AgentRefused
from edge_agent.simulation import Simulation
from shared.errors import DataError, RequestError
from shared.outcome import Execution, Outcome, now_rfc3339
from shared.report import read_json_lines
from shared.text import Language, encodable, guess_main_language

SESSION = "script"


@dataclass(frozen=True)
class ScriptLine:
    """One utterance of a script, written or, where `wav` is given, recorded."""

    text: str
    lang: Language | None
    wav: Path | None = None


def read_script(path: Path) -> list[ScriptLine]:
    """Return the lines of a JSON Lines script (text and lang?, or wav; other keys are ignored).

    A `wav` is a path, relative to the script. DataError names the line that is wrong.
    """
    lines = [_parse_line(where, value, path.parent) for where, value in read_json_lines(path)]
    if not lines:
        raise DataError(f"{path} holds no lines")
    return lines


def _parse_line(where: str, value: dict[str, Any], folder: Path) -> ScriptLine:
    if "wav" in value:
        return _parse_wav(where, value["wav"], folder)
    text, lang = value.get("text"), value.get("lang")
    if not isinstance(text, str):
        raise DataError(f"{where}: `text` is missing or no string")
    if lang is not None and lang not in get_args(Language):
        raise DataError(f"{where}: `lang` must be one of {', '.join(get_args(Language))}")
    return ScriptLine(text, lang)


def _parse_wav(where: str, value: Any, folder: Path) -> ScriptLine:
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: `wav` is no path")
    path = folder / value
    if not path.is_file():
        raise DataError(f"{where}: there is no file {path}")
    return ScriptLine(f"({value})", None, path)


def say_line(agent: AgentClient, line: ScriptLine) -> Outcome:
    """Return what came of a line; where the agent does not take it, nothing, with the refusal's code."""
    try:
        return _say(agent, line)
    except (RequestError, DataError) as error:
        return _not_taken(line, error.reason if isinstance(error, AgentRefused) else error.code)


def _say(agent: AgentClient, line: ScriptLine) -> Outcome:
    """Say a line to the agent; a recording as if a person had pressed a button to speak."""
    if line.wav is None:
        return agent.say(line.text, line.lang, session_id=SESSION)
    try:
        recording = line.wav.read_bytes()
    except OSError as error:
        raise DataError(f"{line.wav} cannot be read ({error.strerror or error})") from error
    return agent.hear(recording, push_to_talk=True, session_id=SESSION)


def _not_taken(line: ScriptLine, reason: str) -> Outcome:
    """Return the outcome of a line that became no utterance, in the form of nothing understood."""
    text = encodable(line.text) if line.wav is None else ""
    return Outcome(
        request_id=str(uuid4()),
        time=now_rfc3339(),
        source="text" if line.wav is None else "audio",
        text=text,
        lang=line.lang or guess_main_language(text),
        route="none",
        tag=None,
        execution=Execution(reason=reason),
    )


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
        outcome = say_line(simulation.agent, line)
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
