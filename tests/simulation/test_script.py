"""Scripts: what a line may hold, and one outcome a line in the report."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.script import ScriptLine, read_script, run_script
from shared.errors import DataError


def test_a_script_gives_one_outcome_a_line_in_order(simulation: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(
        '{"text": "sit"}\n\n{"text": "why?", "lang": "en"}\n{"text": ""}\n', encoding="utf-8"
    )
    told: list[tuple[str, str]] = []
    report = run_script(
        simulation,
        read_script(script),
        lambda line, outcome: told.append((line.text, outcome.text)),
    )
    assert told == [("sit", "sit"), ("why?", "why?"), ("", "")]
    assert simulation.agent.said[1] == ("why?", "en")
    assert simulation.settled == 4  # before the first line and after each
    assert [call["sequence"] for call in report["calls"]] == [1, 2, 3, 4, 5, 6]
    assert report["robot"] == {"posture": "sitting"}
    assert report["summary"] == {
        "n": 3,
        "by_route": {"edge": 2, "cloud": 1},
        "by_state": {"confirmed": 2, "none": 1},
        "confirmed_skills": {"Sit": 2},
        "unsettled": 0,
        "cloud_alive": True,
    }
    json.dumps(report)


def test_lines_are_read_with_their_language(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"text": "坐下", "lang": "zh", "expect": "Sit"}', encoding="utf-8")
    assert read_script(script) == [ScriptLine("坐下", "zh")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"wav": "no-such.wav"}', "there is no file"),
        ('{"wav": 3}', "`wav` is no path"),
        ('{"lang": "en"}', "`text`"),
        ('{"text": "sit", "lang": "fr"}', "`lang`"),
        ("sit", "no JSON"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, what: str) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(f'{{"text": "sit"}}\n{line}\n')
    with pytest.raises(DataError, match=f"line 2: .*{what}"):
        read_script(script)


def test_an_empty_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="no lines"):
        read_script(tmp_path / "empty")


def test_recordings_are_said_as_with_a_pressed_button(simulation: Any, tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "sit.wav").write_bytes(b"RIFF")
    script = tmp_path / "script.jsonl"
    absolute = json.dumps({"wav": str(tmp_path / "sounds" / "sit.wav")})
    script.write_text(f'{{"wav": "sounds/sit.wav"}}\n{absolute}\n{{"text": "sit"}}\n')
    told: list[str] = []
    run_script(simulation, read_script(script), lambda line, outcome: told.append(outcome.text))
    assert simulation.agent.heard == [(b"RIFF", True), (b"RIFF", True)]
    assert told == ["heard", "heard", "sit"]
