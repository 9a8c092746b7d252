"""The driver against a mock that goes wrong and comes back, over real DDS; the whole table of faults
is tried in virtual time by `test_fault_table.py`."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from edge_agent.robot import action_watch, go2, performance, state_tracker
from edge_agent.robot.go2 import Go2Robot
from shared.errors import RobotUnavailable
from tests.edge_agent.robot.conftest import BOUND_S, Dog, MockProcess


@pytest.fixture(autouse=True)
def _well_and_standing(dog: Dog) -> Iterator[None]:
    dog.stand()
    yield
    dog.mock.clear_faults()
    dog.do(dog.until(lambda state: state.connected and state.age_s < 0.5 and state.mode != 0))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How soon a driver gives a dog up is tried in virtual time; here seconds are the machine's."""
    monkeypatch.setattr(action_watch, "STATE_LOST_S", BOUND_S)
    monkeypatch.setattr(performance, "STATE_LOST_S", BOUND_S)
    monkeypatch.setattr(state_tracker, "CONNECTED_MAX_AGE_S", BOUND_S)


def meet(dog: Dog, fault: str, skill: str = "TurnAround", **parameters: object):
    """Let the dog move, switch the fault on, and return what came of the skill."""

    async def move_and_break():
        performing = asyncio.ensure_future(dog.perform(skill))
        await dog.until(lambda state: state.moving)
        dog.mock.fault(fault, **parameters)
        return await performing

    return dog.do(move_and_break())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("stale_state", "state_stale"), ("nan_state", "state_stale"), ("fallen", "posture_fallen")],
)
def test_a_fault_in_motion_ends_it_with_a_stop(dog, fault, reason):
    before = dog.mock.count()
    execution = meet(dog, fault)
    assert (execution.state, execution.reason) == ("failed", reason)
    assert dog.mock.names(before)[-1] == "StopMove"


def test_a_silent_service_is_told_and_the_dog_stops_by_itself(dog):
    execution = meet(dog, "silent")
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert execution.calls[-1].code == 3104
    assert not dog.mock.state()["moving"]


@pytest.mark.usefixtures("patient")
def test_a_slow_link_is_borne(dog):
    dog.mock.fault("slow", delay_s=0.2)
    assert dog.do(dog.perform("Sit")).state == "confirmed"


def test_a_dog_that_restarts_is_driven_again(dog):
    execution = meet(dog, "restarted", away_s=3.0)
    assert (execution.state, execution.reason) == ("failed", "state_stale")
    dog.do(dog.until(lambda state: state.connected and state.posture == "damped"))
    assert dog.do(dog.perform("Sit")).state == "confirmed"


@pytest.mark.usefixtures("patient")
def test_old_firmware_wiggles_by_itself_over_the_wire(dog):
    dog.mock.fault("old_firmware")
    execution = dog.do(dog.perform("WiggleHips"))
    assert (execution.state, execution.reason) == ("confirmed", None)
    assert {"WiggleHips", "Euler"} & {call.name for call in execution.calls} == {"WiggleHips"}


def test_a_service_that_is_off_keeps_a_driver_from_starting(dog, dds_domain, monkeypatch):
    from unitree_sdk2py.go2.robot_state.robot_state_client import RobotStateClient

    monkeypatch.setattr(go2, "FIRST_STATE_S", 1.0)
    switch = RobotStateClient()
    switch.SetTimeout(5.0)
    switch.Init()
    code, services = switch.ServiceList()
    assert (code, "sport_mode" in [each.name for each in services]) == (0, True)

    async def start() -> None:
        robot = Go2Robot(dds_domain, "lo")
        try:
            with pytest.raises(RobotUnavailable, match="its sport service is off"):
                await robot.start()
        finally:
            await robot.close()

    assert switch.ServiceSwitch("sport_mode", False) == 0
    try:
        dog.do(start())
    finally:
        assert switch.ServiceSwitch("sport_mode", True) == 0


def test_another_mock_in_the_place_of_a_killed_one_is_driven_again(dog, dds_domain):
    dog.mock.end(signal.SIGKILL)
    dog.do(dog.until(lambda state: not state.connected))
    dog.mock = MockProcess(dds_domain)
    dog.do(dog.until(lambda state: state.connected))
    assert dog.do(dog.perform("Sit")).state == "confirmed"
    assert dog.mock.state()["posture"] == "sitting"
