"""What the driver refuses before it touches a network."""

import asyncio
import math

import pytest

from edge_agent.robot import dds_domain
from edge_agent.robot.choreography import OutOfRange
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action
from edge_agent.robot.sport_service import CallLog, SportService, failure_reason
from shared.errors import ConfigurationError


@pytest.mark.parametrize("found", ["11.0.1", "0.11.0", "1.0"])
def test_a_real_dog_refuses_a_cyclonedds_that_it_does_not_speak(monkeypatch, found):
    monkeypatch.setattr(dds_domain, "version", lambda name: found)
    robot = Go2Robot(0, "eth0")
    with pytest.raises(ConfigurationError, match=r"pip install cyclonedds==0\.10\.2"):
        asyncio.run(robot.start())


def test_the_version_that_a_real_dog_speaks_is_taken(monkeypatch):
    monkeypatch.setattr(dds_domain, "version", lambda name: "0.10.5")
    dds_domain.check_version_for_real_robot()


@pytest.mark.parametrize(
    ("domain", "interface"), [(-1, "lo"), (231, "lo"), (0, ""), (0, 'lo"/><x'), (0, "a" * 16)]
)
def test_a_wrong_place_is_refused(domain, interface):
    with pytest.raises(ConfigurationError):
        Go2Robot(domain, interface)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.7])
def test_the_last_check_before_the_sdk_refuses_wrong_velocities(value):
    async def send():
        service = SportService()
        with pytest.raises(OutOfRange):
            await service.move(0.0, 0.0, value, CallLog(lambda: 0.0))
        with pytest.raises(OutOfRange):
            await service.euler(value, 0.0, 0.0, CallLog(lambda: 0.0))

    asyncio.run(send())


def test_a_robot_that_was_not_started_fails_and_does_not_raise():
    async def perform():
        robot = Go2Robot(0, "lo")
        assert await robot.stop() == []
        return await robot.perform(Action("StopMove", "k", math.inf), lambda progress: None)

    execution = asyncio.run(perform())
    assert (execution.state, execution.reason) == ("failed", "robot_unavailable")


def test_codes_have_stable_reasons():
    assert failure_reason(3203) == "unsupported_by_firmware"
    assert failure_reason(3102) == failure_reason(3104) == "robot_unavailable"
    assert failure_reason(4201) == "call_rejected_4201"


def test_a_move_sent_again_is_told_once():
    log = CallLog(lambda: 0.0)
    for speed in (0.5, 0.5, 0.4, 0.4, 0.5):
        log.add("Move", 1008, {"x": speed}, None)
    log.add("StopMove", 1003, {}, 0)
    log.add("StopMove", 1003, {}, 0)
    assert [call.parameter.get("x") for call in log.calls] == [0.5, 0.4, 0.5, None, None]
