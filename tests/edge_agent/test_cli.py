"""The command `edge-agent`: help, exit codes, and what each command prints."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_agent.agent_client import AgentClient
from edge_agent.cli import main
from shared.errors import ConfigurationError
from shared.predictions import read_predictions
from shared.skills import SKILL_NAMES


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="edge-agent")


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["say"],
        ["simulate"],
        ["evaluate"],
        ["skills"],
        ["mock-robot"],
        ["doctor"],
        ["bundle", "verify"],
    ],
)
def test_every_command_has_help(command: list[str]) -> None:
    assert invoke(*command, "--help").exit_code == 0


def test_help_needs_no_heavy_import() -> None:
    heavy = "{'numpy', 'onnxruntime', 'fastapi', 'torch', 'pypinyin'}"
    program = f"import sys, edge_agent.cli; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_skills_as_json() -> None:
    result = invoke("skills", "--json")
    entries = json.loads(result.stdout)
    assert [entry["name"] for entry in entries] == list(SKILL_NAMES)
    assert entries[0]["tag"] == "[Damp()]"
    keys = {"name", "tier", "steps", "preconditions", "end_state", "duration_s"}
    assert all(keys <= set(entry) and entry["steps"] for entry in entries)
    waltz = next(entry for entry in entries if entry["name"] == "WaltzDance")
    assert waltz["steps"][0] == {
        "kind": "drive",
        "call": "Move",
        "api_id": 1008,
        "vx_m_s": 0.25,
        "vy_m_s": 0.0,
        "vyaw_rad_s": 0.0,
        "seconds": 0.6,
        "resend_hz": 20.0,
    }
    assert waltz["preconditions"]["space_m"] == 2.0
    flip = next(entry for entry in entries if entry["name"] == "FrontFlip")
    assert flip["preconditions"]["confirmed_by_a_person"]
    assert flip["preconditions"]["battery_min_percent"] == 40.0
    assert invoke("skills").exit_code == 0


def test_say_without_an_agent_tells_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_PORT", "1")
    result = invoke("say", "sit")
    assert result.exit_code == 2
    assert "edge-agent run" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_setting_is_one_line_and_exit_code_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_HOST", "0.0.0.0")
    result = invoke("run")
    assert result.exit_code == 2
    assert "EDGE_PAIRING_TOKEN" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_mock_names_its_own_option_and_port_where_its_place_is_refused() -> None:
    result = invoke("mock-robot", "--host", "0.0.0.0", "--port", "18270")
    assert result.exit_code == 2
    assert "EDGE_PAIRING_TOKEN, or keep --host 127.0.0.1" in result.stderr
    for wrong in ("8080", "EDGE_HOST", "EDGE_:", "Value error"):
        assert wrong not in result.stderr


def test_words_need_no_quotation_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Agent:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...

        def say(self, text: str, lang: str | None) -> Any:
            said.append(text)
            return SimpleNamespace(model_dump_json=lambda: "{}")

    monkeypatch.setattr(AgentClient, "of", lambda settings: Agent())
    for words in (["sit", "down"], ["sit down"], ["坐下"]):
        assert invoke("say", *words, "--json").exit_code == 0
    assert said == ["sit down", "sit down", "坐下"]
    assert invoke("say").exit_code == 2


def test_a_message_of_many_lines_has_its_code_behind_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(settings: Any) -> Any:
        raise ConfigurationError("the agent has ended.\nits log")

    monkeypatch.setattr(AgentClient, "of", fail)
    told = invoke("say", "sit").stderr
    assert told == "edge-agent: the agent has ended. (configuration_invalid)\nits log\n"


def test_bundle_verify_without_a_bundle(tmp_path: Path) -> None:
    result = invoke("bundle", "verify")
    assert result.exit_code == 2
    assert "export-edge" in result.stderr
    (tmp_path / "there").mkdir()
    assert invoke("bundle", "verify", str(tmp_path / "there")).exit_code == 2


def test_a_report_needs_a_script(tmp_path: Path) -> None:
    assert invoke("simulate", "--report", str(tmp_path / "r.json")).exit_code == 2


def test_a_wrong_script_is_told_before_anything_starts(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"txet": "sit"}\n')
    result = invoke("simulate", "--script", str(script))
    assert result.exit_code == 2
    assert "line 1" in result.stderr


@pytest.mark.parametrize("option", ["--report", "--robot-report"])
@pytest.mark.parametrize("name", ["script.jsonl", "sit.wav"])
def test_a_simulation_overwrites_nothing_that_it_reads(
    tmp_path: Path, option: str, name: str
) -> None:
    script, recording = tmp_path / "script.jsonl", tmp_path / "sit.wav"
    script.write_text('{"wav": "sit.wav"}\n')
    recording.write_bytes(b"RIFF")
    result = invoke("simulate", "--script", str(script), option, str(tmp_path / name))
    assert result.exit_code == 2
    assert "are one file" in result.stderr
    assert script.read_text() == '{"wav": "sit.wav"}\n'
    assert recording.read_bytes() == b"RIFF"


def test_a_simulation_refuses_ports_before_it_empties_a_report(tmp_path: Path) -> None:
    script, report = tmp_path / "script.jsonl", tmp_path / "report.jsonl"
    script.write_text('{"text": "sit"}\n')
    report.write_text("of before")
    arguments = ["--script", str(script), "--report", str(report)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        taken = invoke("simulate", *arguments, "--agent-port", port)
    assert (taken.exit_code, f"port {port}" in taken.stderr) == (2, True)
    assert "--agent-port" in taken.stderr
    both = invoke("simulate", *arguments, "--agent-port", port, "--cloud-port", port)
    assert (both.exit_code, "--agent-port and --cloud-port" in both.stderr) == (2, True)
    assert report.read_text() == "of before"


def test_evaluate_overwrites_nothing_that_it_reads_and_asks_for_room_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def prepare(bundle: Path) -> None:
        raise AssertionError("prepared, though the outputs cannot be written")

    monkeypatch.setattr("edge_agent.evaluate_command.prepare_bundle", prepare)
    rows = '{"text": "sit", "label": "Sit", "id": "a"}\n'
    data, report = tmp_path / "data.jsonl", tmp_path / "report.json"
    data.write_text(rows)
    nowhere = "/proc/nope/x.json"
    for given, told in (
        ([data], "are one file"),
        ([report, "--predictions", data], "are one file"),
        ([report, "--predictions", report], "are one file"),
        ([nowhere], f"{nowhere} cannot be written"),
        ([report, "--predictions", nowhere], f"{nowhere} cannot be written"),
    ):
        result = invoke("evaluate", "--data", str(data), "--report", *map(str, given))
        assert result.exit_code == 2, result.output
        assert told in result.stderr
    assert data.read_text() == rows
    assert not report.exists()


def test_evaluate_writes_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Recognizer:
        manifest = SimpleNamespace(
            name="fake",
            shadow_sha256="a" * 64,
            fingerprint="f" * 64,
            precision="int8",
            thresholds={"1": 0.5},
        )

        @classmethod
        def load(cls, bundle: Path, threads: int) -> Any:
            assert bundle == tmp_path
            return cls()

        def decide(self, text: str) -> Any:
            ranked = [("[Sit()]", 0.9), ("[Bark()]", 0.0999), ("[Damp()]", 0.0001)]
            return SimpleNamespace(
                tag="[Sit()]",
                probability=0.9,
                joint=[("[Sit()]", 0.8), ("[REMOTE]", 0.2)],
                posterior=SimpleNamespace(ranked=ranked),
            )

    monkeypatch.setitem(
        sys.modules, "edge_agent.recognizer", SimpleNamespace(Recognizer=Recognizer)
    )
    data, report = tmp_path / "data.jsonl", tmp_path / "report.json"
    data.write_text('{"text": "sit", "label": "Sit"}\n')
    arguments = ["--data", str(data), "--report", str(report), "--bundle", str(tmp_path)]
    result = invoke("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accuracy"] == 1.0
    assert json.loads(report.read_text())["items"][0]["predicted"] == "Sit"
    assert "accuracy" in invoke("evaluate", *arguments).stdout

    kept = tmp_path / "predictions.jsonl"
    arguments += ["--predictions", str(kept)]
    refused = invoke("evaluate", *arguments)
    assert (refused.exit_code, "a row has none" in refused.stderr) == (2, True)
    more = tmp_path / "more.jsonl"
    data.write_text('{"text": "sit", "label": "Sit", "id": "a"}\n')
    more.write_text('{"text": "stop!", "label": "StopMove", "id": "b"}\n')
    result = invoke("evaluate", *arguments, "--data", str(more))
    assert result.exit_code == 0, result.output
    about, predictions = read_predictions(kept)
    assert set(about["data"]) == {"data", "more"}
    assert (about["system"], about["thresholds"]) == ("edge", {"1": 0.5})
    assert (about["adapter_sha256"], about["fingerprint"]) == ("a" * 64, "f" * 64)
    assert predictions == {
        "a": {
            "id": "a",
            "label": "Sit",
            "joint": {"[Sit()]": 0.8, "[REMOTE]": 0.2},
            "posterior": {"[Sit()]": 0.9, "[Bark()]": 0.0999},
        },
        "b": {"id": "b", "label": "StopMove", "reflex": True, "posterior": {}},
    }
