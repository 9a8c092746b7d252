"""The whole examination: exit codes, lines and JSON, with a mock dog and with nothing running."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_agent.cli import main
from edge_agent.doctor.examination import describe, render, works
from edge_agent.doctor.finding import failed, ok, skipped, warning
from edge_agent.provider import ProviderOptions
from edge_agent.robot.interface import RobotState
from edge_agent.robot.probe import SERVICES, RobotProbe, ServiceAnswer
from shared.bundle import MANIFEST_NAME
from shared.errors import ConfigurationError

NAMES = [
    "dds",
    "interface",
    "robot",
    "services",
    "firmware",
    "records",
    "bundle",
    "cloud",
    "microphone",
    "ears",
    "voice",
    "clock",
]


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("EDGE_ROBOT_INTERFACE", "lo")
    monkeypatch.setenv("EDGE_CLOUD_URL", "http://127.0.0.1:1")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments], prog_name="edge-agent")


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A robot in place of the probe's own DDS; the values are what it says."""
    told: dict[str, Any] = {
        "state": RobotState(True, 0.01, posture="standing", battery_percent=90.0),
        "code": 0,
    }
    monkeypatch.setattr(RobotProbe, "join", lambda self: "11.0.1")
    monkeypatch.setattr(RobotProbe, "hear", lambda self: told["state"])
    monkeypatch.setattr(RobotProbe, "ask_mode", lambda self: "normal")
    monkeypatch.setattr(
        RobotProbe,
        "ask_services",
        lambda self: [ServiceAnswer(name, told["code"], "1.0.0.1") for name in SERVICES],
    )
    return told


def test_every_part_is_looked_at_in_order(probe: dict[str, Any]) -> None:
    result = invoke("--json")
    report = json.loads(result.stdout)
    assert [each["name"] for each in report["findings"]] == NAMES
    assert report["ok"] is False  # no bundle in this cache
    assert result.exit_code == 1
    states = {each["name"]: each["state"] for each in report["findings"]}
    assert states["robot"] == states["services"] == states["dds"] == states["records"] == "ok"
    assert states["bundle"] == "failed"
    assert states["cloud"] == "warning"
    assert all(each["todo"] for each in report["findings"] if each["state"] == "failed")


def test_lines_for_people_say_what_to_do(
    probe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    probe["code"] = 3102
    monkeypatch.setenv("EDGE_JOURNAL", str(tmp_path))
    result = invoke()
    assert result.exit_code == 1
    assert "failed   services" in result.stdout
    assert "→ switch the sport service on" in result.stdout
    assert f"failed   records    EDGE_JOURNAL: {tmp_path} is a folder" in result.stdout


def test_the_bundle_is_looked_at_as_the_agent_will_load_it(
    probe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def load(directory: Any, options: ProviderOptions) -> None:
        raise ConfigurationError(f"{options.provider}:{options.device} is missing")

    def look() -> dict[str, str]:
        findings = json.loads(invoke("--json").stdout)["findings"]
        return next(each for each in findings if each["name"] == "bundle")

    monkeypatch.setattr("edge_agent.bundles.self_test.load_checked", load)
    (tmp_path / MANIFEST_NAME).write_text("{}")
    monkeypatch.setenv("EDGE_BUNDLE", str(tmp_path))
    monkeypatch.setenv("EDGE_PROVIDER", "cuda")
    monkeypatch.setenv("EDGE_DEVICE", "1")
    assert look()["state"] == "failed"
    assert "cuda:1 is missing" in look()["todo"]
    monkeypatch.setenv("EDGE_BUNDLE_SHA256", "0" * 64)
    assert "EDGE_BUNDLE_SHA256" in look()["message"]


def test_warnings_and_skipped_parts_do_not_fail() -> None:
    findings = [ok("dds", "fine"), warning("cloud", "away", "start it"), skipped("microphone", "-")]
    assert works(findings)
    assert describe(findings)["ok"] is True
    assert "→ start it" in render(findings)
    assert not works([*findings, failed("robot", "gone", "switch it on")])


def test_a_wrong_setting_ends_as_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_NO_SUCH_SETTING", "1")
    assert invoke().exit_code == 2


def test_a_wrong_interface_is_told_without_waiting_for_a_robot() -> None:
    result = invoke("--interface", "nowhere0", "--json")
    states = {each["name"]: each["state"] for each in json.loads(result.stdout)["findings"]}
    assert states["interface"] == "failed"
    assert states["robot"] == "skipped"
    assert result.exit_code == 1
