"""Scripts: what a line may hold, and one outcome a line in the report."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.agent_client import AgentClient
from edge_agent.script import ScriptLine, read_script, run_script
from shared.errors import AudioTooLong, DataError, SpeechUnavailable
from shared.messages import ErrorBody


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


def test_a_line_that_is_refused_is_an_outcome_and_the_script_goes_on(
    simulation: Any, outcomes: Any, tmp_path: Path
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/utterances":
            return httpx.Response(200, text=outcomes.make("sit").model_dump_json())
        error = AudioTooLong if request.content == b"long" else SpeechUnavailable
        body = ErrorBody(code=error.code, message="no", request_id="r")
        return httpx.Response(error.status, text=body.model_dump_json())

    simulation.agent = AgentClient("http://agent", transport=httpx.MockTransport(answer))
    for name in ("long", "short", "gone"):
        (tmp_path / name).write_text(name)
    script = tmp_path / "script.jsonl"
    script.write_text(
        '{"wav": "long"}\n{"wav": "short"}\n{"wav": "gone"}\n{"text": "sit"}\n', encoding="utf-8"
    )
    lines = read_script(script)
    (tmp_path / "gone").unlink()
    told: list[Any] = []
    report = run_script(simulation, lines, lambda line, outcome: told.append(outcome))
    assert [(each.source, each.route, each.tag, each.execution.reason) for each in told] == [
        ("audio", "none", None, "audio_too_long"),
        ("audio", "none", None, "speech_unavailable"),
        ("audio", "none", None, "data_invalid"),
        ("text", "edge", "[Sit()]", None),
    ]
    assert report["summary"]["by_route"] == {"none": 3, "edge": 1}


def test_a_text_that_no_utf_8_can_carry_is_said_and_refused_like_any(
    simulation: Any, outcomes: Any, tmp_path: Path
) -> None:
    said: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        said.append(json.loads(request.content)["text"])
        if len(said) == 1:
            return httpx.Response(200, text=outcomes.make(said[0]).model_dump_json())
        body = ErrorBody(code="request_invalid", message="too long", request_id="r")
        return httpx.Response(422, text=body.model_dump_json())

    simulation.agent = AgentClient("http://agent", transport=httpx.MockTransport(answer))
    script = tmp_path / "script.jsonl"
    script.write_text(
        '{"text": "sit\\ud800"}\n{"text": "坐\\udcff", "lang": "zh"}\n', encoding="utf-8"
    )
    told: list[Any] = []
    run_script(simulation, read_script(script), lambda line, outcome: told.append(outcome))
    assert said == ["sit?", "坐?"]
    taken, refused = (json.loads(each.model_dump_json()) for each in told)
    assert (taken["text"], taken["route"]) == ("sit?", "edge")
    assert (refused["text"], refused["lang"], refused["route"]) == ("坐?", "zh", "none")
    assert refused["execution"]["reason"] == "request_invalid"
