"""The systemd unit and its settings: systemd's own verdict, times that fit the agent's, known settings."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.acting import CLOSE_S, STOP_ANSWER_S
from edge_agent.process import GRACEFUL_STOP_S
from edge_agent.service_manager import BEATS_A_WINDOW
from edge_agent.settings import EdgeSettings

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
UNIT = ROOT / "deploy/shadowdog-agent.service"
PROGRAM = "/opt/shadowdog/current/bin/edge-agent"


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit["Service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs Debian's systemd")
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("edge-agent")
    assert {unit.name for unit in UNITS} >= {UNIT.name, "shadowdog-listen.service"}
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "shadowdog" in line]
    assert (done.returncode, ours) == (0, [])


def test_it_waits_for_ready_and_watches(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == f"{PROGRAM} run"
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["Restart"] == "always"
    assert int(service["WatchdogSec"]) / BEATS_A_WINDOW >= 1


def test_it_gives_the_agent_time_to_stop_the_dog(service: configparser.SectionProxy) -> None:
    assert int(service["TimeoutStopSec"]) > STOP_ANSWER_S + GRACEFUL_STOP_S + CLOSE_S


def test_its_example_names_settings_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / "deploy/agent.env.example").read_text().splitlines()
    pairs = dict(line.lstrip("#").split("=", 1) for line in lines if "EDGE_" in line.split("=")[0])
    assert pairs
    for name, value in pairs.items():
        assert name.removeprefix("EDGE_").lower() in EdgeSettings.model_fields, name
        monkeypatch.setenv(name, value or "a-secret-of-enough-characters")
    EdgeSettings.from_environment()
