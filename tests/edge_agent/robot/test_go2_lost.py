"""The driver when the dog falls silent: failures that say so, never a hang."""

import asyncio
import signal

import pytest

from edge_agent.robot import go2
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action
from shared.errors import RobotUnavailable


def test_a_dog_that_dies_in_motion_fails_the_action_and_all_that_follow(dog):
    async def lose():
        spin = asyncio.ensure_future(dog.perform("TurnAround"))
        await dog.until(lambda state: state.moving)
        dog.mock.end(signal.SIGKILL)
        return await spin

    execution = dog.do(lose())
    assert (execution.state, execution.reason) == ("failed", "state_stale")
    dog.do(dog.until(lambda state: not state.connected))
    following = dog.do(dog.perform("Sit"))
    assert (following.state, following.reason) == ("failed", "robot_unavailable")
    assert following.calls == []
    calls = dog.do(dog.robot.stop())
    assert calls[0].name == "StopMove"
    assert calls[0].code in (3102, 3104)


def test_no_dog_at_start_says_what_to_do(dog, dds_domain, monkeypatch):
    async def start_and_try():
        robot = Go2Robot(dds_domain, "lo")
        monkeypatch.setattr(go2, "FIRST_STATE_S", 0.2)
        with pytest.raises(RobotUnavailable, match=r"this machine has lo \(127"):
            await robot.start()
        execution = await robot.perform(Action("Sit", "k", float("inf")), lambda progress: None)
        await robot.close()
        return execution

    if dog.mock.process.poll() is None:
        dog.mock.end(signal.SIGKILL)
    assert dog.do(start_and_try()).state == "failed"
