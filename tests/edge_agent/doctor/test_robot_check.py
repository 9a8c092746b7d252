"""DDS, state, services and the firmware's refusals."""

import json
from dataclasses import replace

import pytest

from edge_agent.doctor.finding import failed, ok
from edge_agent.doctor.robot_check import check_firmware, check_robot
from edge_agent.robot.interface import RobotState
from edge_agent.robot.probe import SERVICES, ServiceAnswer
from shared.errors import ConfigurationError

STANDING = RobotState(True, 0.02, posture="standing", battery_percent=92.0)
INTERFACE = ok("interface", "lo")


class FakeProbe:
    def __init__(self, state=STANDING, silent=(), mode="normal", refuses=None):
        self.state, self.silent, self.mode, self.refuses = state, silent, mode, refuses
        self.asked = []

    def join(self):
        self.asked.append("join")
        if self.refuses:
            raise ConfigurationError(self.refuses)
        return "0.10.2"

    def hear(self):
        return self.state

    def ask_services(self):
        return [
            ServiceAnswer(name, 3102, None)
            if name in self.silent
            else ServiceAnswer(name, 0, "1.0.0.1")
            for name in SERVICES
        ]

    def ask_mode(self):
        self.asked.append("mode")
        return self.mode


def states(findings):
    return {each.name: each.state for each in findings}


def test_a_healthy_dog_is_ok():
    dds, robot, services = check_robot(FakeProbe(), 0, INTERFACE)
    assert [each.state for each in (dds, robot, services)] == ["ok"] * 3
    assert "0.10.2" in dds.message
    assert "standing, battery 92 %" in robot.message
    assert "motion mode normal" in services.message


def test_without_an_interface_nothing_is_asked():
    probe = FakeProbe()
    findings = check_robot(probe, 0, failed("interface", "there is no interface eth7; and so on"))
    assert states(findings) == {"dds": "skipped", "robot": "skipped", "services": "skipped"}
    assert "there is no interface eth7" in findings[0].message
    assert probe.asked == []


def test_without_dds_the_message_says_what_to_install():
    findings = check_robot(FakeProbe(refuses="install cyclonedds==0.10.2"), 0, INTERFACE)
    assert states(findings) == {"dds": "failed", "robot": "skipped", "services": "skipped"}
    assert "cyclonedds==0.10.2" in findings[0].todo


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RobotState(False, None), "no state is heard in domain 3"),
        (replace(STANDING, age_s=7.0, connected=False), "7.0 s old"),
        (replace(STANDING, posture="unknown"), "says nothing of its posture"),
        (replace(STANDING, battery_percent=None), "nothing of its battery"),
    ],
)
def test_a_robot_that_does_not_tell_its_state_fails(state, told):
    _, robot, _ = check_robot(FakeProbe(state=state), 3, INTERFACE)
    assert robot.state == "failed"
    assert told in robot.message
    assert robot.todo
    assert state.age_s is not None or "`edge-agent mock-robot --domain 3`" in robot.todo


def test_a_silent_sport_service_fails_and_a_missing_loudspeaker_does_not():
    _, _, services = check_robot(FakeProbe(silent=("sport", "vui")), 0, INTERFACE)
    assert services.state == "failed"
    assert "sport (3102)" in services.message
    assert "motion_switcher 1.0.0.1" in services.message
    _, _, services = check_robot(FakeProbe(silent=("audiohub",)), 0, INTERFACE)
    assert services.state == "warning"
    assert "Go2 Air" in services.todo


def test_no_motion_mode_fails_and_none_is_selected():
    probe = FakeProbe(mode="")
    _, _, services = check_robot(probe, 0, INTERFACE)
    assert services.state == "failed"
    assert "no motion mode" in services.message


def test_with_no_service_at_all_the_mode_is_not_asked():
    probe = FakeProbe(silent=SERVICES)
    check_robot(probe, 0, INTERFACE)
    assert "mode" not in probe.asked


def test_the_firmwares_refusals_are_read_from_the_journal(tmp_path):
    journal = tmp_path / "journal.jsonl"
    assert check_firmware(journal).state == "skipped"

    def outcome(time, name, code):
        call = {"api_id": 1036, "name": name, "parameter": {}, "code": code, "at_ms": 1.0}
        return json.dumps({"time": time, "execution": {"calls": [call]}})

    journal.write_text(outcome("2026-01-01T00:00:00Z", "Heart", 0) + "\n{torn\n")
    assert check_firmware(journal).state == "ok"
    with journal.open("a") as lines:
        for day in ("02", "03"):
            lines.write(outcome(f"2026-01-{day}T00:00:00Z", "Heart", 3203) + "\n")
    finding = check_firmware(journal)
    assert finding.state == "warning"
    assert "Heart 1036 (last 2026-01-03" in finding.message
