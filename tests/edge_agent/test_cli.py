"""The command `edge-agent`: help, exit codes, and what each command prints."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_agent.cli import main
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


def test_evaluate_writes_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Recognizer:
        manifest = SimpleNamespace(
            name="fake", fingerprint="f" * 64, precision="int8", thresholds={"1": 0.5}
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
    assert predictions == {
        "a": {
            "id": "a",
            "label": "Sit",
            "joint": {"[Sit()]": 0.8, "[REMOTE]": 0.2},
            "posterior": {"[Sit()]": 0.9, "[Bark()]": 0.0999},
        },
        "b": {"id": "b", "label": "StopMove", "reflex": True, "posterior": {}},
    }
