"""The doctor's look at a dog over DDS: the mock answers as a real one would; nothing moves."""

import json
from collections.abc import Iterator

import pytest

from edge_agent.robot import probe as robot_probe
from edge_agent.robot.probe import SERVICES, RobotProbe
from shared.errors import ConfigurationError
from tests.edge_agent.robot.conftest import BOUND_S, MockProcess
from tests.edge_agent.robot.test_audio_service import post


@pytest.fixture(scope="module")
def mock(dds_domain: int) -> Iterator[MockProcess]:
    mock = MockProcess(dds_domain)
    try:
        yield mock
    finally:
        mock.end()


def test_a_dog_tells_its_state_and_its_services(
    mock: MockProcess, dds_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANSWER_TIMEOUT_S", "FIRST_STATE_S"):
        monkeypatch.setattr(robot_probe, name, BOUND_S)
    probe = RobotProbe(dds_domain, "lo")
    assert probe.join()[0].isdigit()
    state = probe.hear()
    assert state.posture == "standing"
    assert state.battery_percent is not None
    answers = {each.name: each for each in probe.ask_services()}
    assert set(answers) == set(SERVICES)
    assert all(each.code == 0 and each.version for each in answers.values())
    assert probe.ask_mode() == "normal"
    moved = [call["name"] for call in mock.get("v1/calls?service=all")["calls"]]
    assert moved == ["CheckMode"], json.dumps(moved)


def test_a_silent_dog_is_seen_and_not_heard(mock: MockProcess, dds_domain: int) -> None:
    probe = RobotProbe(dds_domain, "lo")
    probe.join()
    post(mock, {"fault": "dead"})
    try:
        assert probe.hear().age_s is None
        assert {each.code for each in probe.ask_services(("sport", "vui"))} == {3104}
        assert probe.ask_mode() is None
    finally:
        post(mock, {"fault": "dead", "on": False})


def test_a_real_dog_needs_the_right_cyclonedds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.robot.dds_domain.version", lambda name: "11.0.1")
    with pytest.raises(ConfigurationError, match=r"0\.10"):
        RobotProbe(0, "eth0").join()
