"""Turns, drives and twists of one action lead where its checked path leads; virtual time."""

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.taught_choreography import build_choreography
from shared.outcome import Execution
from tests.edge_agent.robot.test_taught_choreography import taught
from tests.edge_agent.robot.virtual_dog import VirtualDog

Place = tuple[float, float, float]
QUARTER_RAD = math.pi / 2
LOOK_S = 0.05


@pytest.fixture
def dog() -> Iterator[VirtualDog]:
    dog = VirtualDog()
    yield dog
    dog.close()


@pytest.fixture
def go(dog: VirtualDog, monkeypatch: pytest.MonkeyPatch):
    """Perform taught steps; return what came of them and the dog's places and headings meanwhile."""

    def perform(
        *steps: dict[str, Any],
        nudges_rad: dict[float, float] | None = None,
        space_m: float = 3.0,
    ) -> tuple[Execution, list[Place]]:
        made = build_choreography(taught(*steps, tier=2, space_m=space_m))
        monkeypatch.setitem(CHOREOGRAPHIES, made.skill, made)
        return dog.do(_watch(dog, made.skill, nudges_rad or {}))

    return perform


async def _watch(
    dog: VirtualDog, skill: str, nudges_rad: dict[float, float]
) -> tuple[Execution, list[Place]]:
    performing = asyncio.ensure_future(dog.perform(skill))
    began_at, places = dog.loop.time(), []
    left = sorted(nudges_rad.items())
    while not performing.done():
        if left and dog.loop.time() - began_at >= left[0][0]:
            dog.mock._physics._walk.yaw_rad += left.pop(0)[1]
        dog.robot.state()  # as the driver's thread reads it
        state = dog.mock.state()
        places.append((*state.position_m[:2], state.yaw_total_rad))
        await asyncio.sleep(LOOK_S)
    return performing.result(), places


def drive(seconds: float, **velocity: float) -> dict[str, Any]:
    return {"drive": {**velocity, "seconds": seconds}}


def turn(angle_rad: float) -> dict[str, Any]:
    return {"turn": {"angle_rad": angle_rad}}


@pytest.mark.parametrize(
    "velocity", [{"vx_m_s": 0.4}, {"vy_m_s": -0.3}, {"vx_m_s": 0.4, "vyaw_rad_s": 1.0}]
)
def test_a_dog_that_waits_after_a_drive_waits_at_its_end(go, velocity):
    execution, places = go(drive(1.0, **velocity), {"wait": 2.0}, space_m=1.0)
    assert execution.state == "confirmed"
    assert max(math.hypot(x, y) for x, y, _ in places) <= 0.5
    calls = [call.name for call in execution.calls]
    assert list(dict.fromkeys(calls)) == ["Move", "StopMove", "BalanceStand"]
    assert calls.count("StopMove") == 2  # before the wait, and at the end of all


def test_a_dog_that_waits_after_a_turn_turns_no_further(dog, go):
    execution, places = go(turn(QUARTER_RAD), {"wait": 2.0}, turn(-QUARTER_RAD))
    assert execution.state == "confirmed"
    assert max(yaw for *_, yaw in places) == pytest.approx(QUARTER_RAD, abs=0.1)


def test_a_drive_that_rotates_leaves_the_turn_after_it_its_own_angle(go):
    execution, places = go(
        drive(2.5, vx_m_s=0.4),
        turn(QUARTER_RAD),
        drive(1.0, vyaw_rad_s=QUARTER_RAD),
        turn(-QUARTER_RAD),
        drive(2.5, vx_m_s=0.4),
    )
    assert execution.state == "confirmed"
    assert max(math.hypot(x, y) for x, y, _ in places) == pytest.approx(math.sqrt(2), abs=0.05)
    most_rad = max(yaw for *_, yaw in places)
    assert most_rad == pytest.approx(math.pi, abs=0.2)
    assert places[-1][2] == pytest.approx(QUARTER_RAD, abs=0.1)


def test_a_drive_that_rotates_before_the_first_turn_counts_too(go):
    execution, places = go(drive(1.0, vyaw_rad_s=1.5), turn(QUARTER_RAD))
    assert execution.state == "confirmed"
    assert places[-1][2] == pytest.approx(1.5 + QUARTER_RAD, abs=0.1)


@pytest.mark.parametrize("vyaw_rad_s", [1.5, -1.5])
def test_a_drive_that_rotates_after_the_last_turn_is_no_missed_turn(go, vyaw_rad_s):
    execution, places = go(turn(QUARTER_RAD), drive(2.0, vyaw_rad_s=vyaw_rad_s))
    assert execution.state == "confirmed"
    assert places[-1][2] == pytest.approx(QUARTER_RAD + 2.0 * vyaw_rad_s, abs=0.15)


@pytest.mark.parametrize("twist_rad", [0.45, -0.45])
@pytest.mark.parametrize("before", [[], [turn(0.5)]])
def test_a_twisted_torso_does_not_lead_a_turn_astray(go, before, twist_rad):
    settled = [*before, {"call": "StopMove"}, {"call": "BalanceStand"}] if before else []
    execution, places = go(
        *settled, {"hold": {"yaw_rad": twist_rad, "seconds": 0.6}}, turn(QUARTER_RAD)
    )
    assert execution.state == "confirmed"
    wanted_rad = QUARTER_RAD + (0.5 if before else 0.0)
    assert places[-1][2] == pytest.approx(wanted_rad, abs=0.1)


def test_a_twist_that_stands_for_a_missing_trick_does_not_either(dog, go):
    dog.fault("unsupported", api_ids=[dog.ids["Hello"]])
    execution, places = go({"call": "Hello"}, turn(0.5))
    assert (execution.state, execution.reason) == ("confirmed", "fallback_used")
    assert places[-1][2] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("slip_rad", [0.4, -0.4])
def test_a_turn_makes_good_what_the_steps_before_it_missed(go, slip_rad):
    execution, places = go(turn(0.5), {"wait": 2.0}, turn(0.2), nudges_rad={2.0: slip_rad})
    assert execution.state == "confirmed"
    assert places[-1][2] == pytest.approx(0.7, abs=0.1)


def test_what_was_missed_is_given_its_time(go):
    slow = {"turn": {"angle_rad": 0.2, "speed_rad_s": 0.3}}
    execution, _ = go(turn(0.5), {"wait": 2.0}, slow, nudges_rad={2.0: -1.0})
    assert execution.state == "confirmed"


def test_a_whole_turn_by_another_hand_is_not_unwound(go):
    nudges_rad = {2.0 + 0.1 * number: math.pi / 4 for number in range(8)}
    execution, places = go(turn(0.5), {"wait": 3.0}, turn(0.5), nudges_rad=nudges_rad)
    assert execution.state == "confirmed"
    assert places[-1][2] == pytest.approx(2 * math.pi + 1.0, abs=0.1)


def test_a_dog_turned_away_after_its_last_turn_is_not_confirmed(go):
    execution, _ = go(turn(0.5), {"wait": 2.0}, nudges_rad={2.0: 0.5})
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
