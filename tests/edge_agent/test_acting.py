"""One action at a time on a virtual clock: waiting, replacing, supervision, and a driver that blocks."""

from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.acting import ENDS_WITHIN_S, GIVEN_UP_AFTER_S, STOP_ANSWER_S
from edge_agent.robot.interface import DRIVER_TICK_S
from shared.outcome import Outcome
from tests.edge_agent.safety_world import World

TWO_TICKS_S = 2 * DRIVER_TICK_S


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()
    assert world.oracle.violations == []


class Asked:
    """What was said, and its outcome once there is one."""

    def __init__(self, world: World, text: str) -> None:
        self._world = world
        self.request_id = f"said-{world.oracle.order}"
        world.oracle.on_said(self.request_id)
        world.spawn(world.agent.handle(text, request_id=self.request_id))

    @property
    def done(self) -> bool:
        return any(each.request_id == self.request_id for each in self._world.outcomes)

    @property
    def outcome(self) -> Outcome:
        return next(each for each in self._world.outcomes if each.request_id == self.request_id)

    @property
    def end(self) -> tuple[str, str | None]:
        return self.outcome.execution.state, self.outcome.execution.reason


def doing(world: World) -> str | None:
    owner = world.driver.owner
    return owner.skill if owner else None


def test_an_in_place_skill_replaces_a_dance(world: World) -> None:
    dance = Asked(world, "dance")
    world.advance(1.0)
    sit = Asked(world, "sit")
    assert world.driver.stop_asked  # at once
    assert not world.dog.moves_for_us
    world.advance(0.2)
    assert dance.end == ("preempted", "superseded")
    assert doing(world) == "Sit"
    world.advance(2.0)
    assert sit.end == ("confirmed", None)


@pytest.mark.parametrize("posture", ["fallen", "unknown"])
def test_a_dog_that_gets_up_is_not_stopped_for_a_wish_that_it_must_refuse(
    world: World, posture: str
) -> None:
    world.dog.facts["posture"] = posture
    recover = Asked(world, "recover")
    world.advance(0.5)
    sit = Asked(world, "sit")
    world.advance(TWO_TICKS_S)
    assert sit.end == ("refused", f"posture_{posture}")
    assert not world.driver.stop_asked
    assert doing(world) == "RecoveryStand"
    world.advance(3.0)
    assert recover.end == ("confirmed", None)


def test_a_skill_that_needs_space_waits_for_its_turn(world: World) -> None:
    sit = Asked(world, "sit")
    world.advance(0.5)
    turn = Asked(world, "turn left")
    world.advance(0.5)
    assert doing(world) == "Sit"
    world.advance(5.0)
    assert sit.end == ("confirmed", None)
    assert turn.end == ("confirmed", None)


def test_who_waits_too_long_is_refused_as_busy(world: World) -> None:
    Asked(world, "dance")
    world.advance(1.0)
    turn = Asked(world, "turn left")
    world.advance(4.9)
    assert not turn.done
    world.advance(0.2)
    assert turn.end == ("refused", "busy")
    assert doing(world) == "Dance"


def test_the_newest_wish_takes_the_waiting_place(world: World) -> None:
    Asked(world, "recover")
    first = Asked(world, "turn left")
    world.advance(0.1)
    second = Asked(world, "dance")
    world.advance(0.1)
    assert first.end == ("preempted", "superseded")
    world.advance(15.0)
    assert second.end == ("confirmed", None)


def test_damp_ends_what_is_under_way_and_who_waits(world: World) -> None:
    dance = Asked(world, "dance")
    turn = Asked(world, "turn left")
    world.advance(0.5)
    damp = Asked(world, "go limp")
    world.advance(3.0)
    assert dance.end == ("preempted", "superseded")
    assert turn.end == ("preempted", "stopped")
    assert damp.end == ("confirmed", None)


def test_damp_to_an_idle_dog_ends_what_is_asked_of_the_cloud(world: World) -> None:
    world.cloud.skills, world.cloud.after_s = ["Dance"], 5.0
    deferred = Asked(world, "entertain us")
    world.advance(0.5)
    damp = Asked(world, "go limp")
    world.advance(7.0)
    assert damp.end == ("confirmed", None)
    assert deferred.end == ("preempted", "stopped")
    assert world.dog.facts["posture"] == "damped"


def test_damp_that_starts_at_once_ends_who_waits(world: World) -> None:
    world.dog.stray_until = world.clock() + 2.0
    sit = Asked(world, "sit")
    world.advance(0.5)
    damp = Asked(world, "go limp")
    world.advance(5.0)
    assert damp.end == ("confirmed", None)
    assert sit.end == ("preempted", "stopped")
    assert world.dog.facts["posture"] == "damped"


def test_damp_that_waits_keeps_its_place_from_what_was_wished_before(world: World) -> None:
    world.driver.fault = "blocked"
    Asked(world, "sit")
    world.cloud.skills, world.cloud.after_s = ["Dance"], 2.0
    world.advance(0.5)
    world.driver.fault = "none"
    world.oracle.on_stop()
    world.spawn(world.agent.stop())
    deferred = Asked(world, "entertain us")
    damp = Asked(world, "go limp")  # waits until the blocked call returns, 4 s after it began
    world.advance(6.0)
    assert deferred.end == ("preempted", "stopped")
    assert damp.end == ("confirmed", None)


def test_another_damp_ends_neither_the_one_under_way_nor_itself(world: World) -> None:
    first = Asked(world, "go limp")
    world.advance(0.5)
    second = Asked(world, "go limp")
    world.advance(4.0)
    assert first.end == ("confirmed", None)
    assert second.end == ("confirmed", None)


def test_what_the_cloud_names_after_damp_in_one_answer_goes_on(world: World) -> None:
    world.cloud.skills = ["Damp", "Sit"]
    flop = Asked(world, "flop down, then up again")
    world.advance(5.0)
    assert flop.end == ("confirmed", None)
    assert world.dog.facts["posture"] == "sitting"


def test_damp_that_is_refused_ends_nothing(world: World) -> None:
    world.cloud.skills = ["Sit"]
    deferred = Asked(world, "entertain us")
    world.dog.age_is_nan = True
    damp = Asked(world, "go limp")
    world.dog.age_is_nan = False
    world.advance(3.0)
    assert damp.end == ("refused", "state_stale")
    assert deferred.end == ("confirmed", None)


def test_a_dog_that_others_move_is_waited_for(world: World) -> None:
    world.dog.stray_until = world.clock() + 2.0
    sit = Asked(world, "sit")
    world.advance(1.5)
    assert doing(world) is None
    world.advance(3.0)
    assert sit.end == ("confirmed", None)


def test_a_stop_reaches_the_driver_at_once_and_ends_who_waits(world: World) -> None:
    dance = Asked(world, "dance")
    turn = Asked(world, "turn left")
    world.advance(1.0)
    world.oracle.on_stop()
    world.spawn(world.agent.stop())
    assert world.driver.stop_asked
    world.advance(TWO_TICKS_S)
    assert not world.dog.moves_for_us
    assert dance.end == ("preempted", "stopped")
    assert turn.end == ("preempted", "stopped")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"battery_percent": 19.0}, "battery_low"),
        ({"motor_temperature_c": float("nan")}, "motor_temperature_unknown"),
        ({"posture": "fallen"}, "posture_fallen"),
    ],
)
def test_a_state_that_turns_unsafe_ends_the_action(
    world: World, facts: dict[str, Any], reason: str
) -> None:
    dance = Asked(world, "dance")
    world.advance(1.0)
    world.dog.facts.update(facts)
    world.advance(TWO_TICKS_S)
    assert world.driver.stop_asked
    assert not world.dog.moves_for_us
    world.advance(TWO_TICKS_S)
    assert dance.end == ("failed", reason)


def test_an_action_has_the_dog_for_a_limited_time(world: World) -> None:
    world.driver.fault = "endless"
    dance = Asked(world, "dance")
    world.advance(59.9)
    assert doing(world) == "Dance"
    world.advance(0.1 + 2 * TWO_TICKS_S)
    assert dance.end == ("failed", "overdue")
    assert dance.outcome.say == "That took too long, so I stopped."


def test_a_call_that_blocks_for_seconds_holds_up_no_stop(world: World) -> None:
    world.driver.fault = "blocked"
    sit = Asked(world, "sit")
    world.advance(0.5)
    world.driver.fault = "none"
    world.oracle.on_stop()
    world.spawn(world.agent.stop())
    assert world.driver.stop_asked
    turn = Asked(world, "turn left")  # after the stop, so that it waits for the blocked call's end
    world.advance(3.4)
    assert not sit.done
    assert doing(world) == "Sit"
    world.advance(0.5)
    assert sit.end == ("preempted", "stopped")
    world.advance(4.0)
    assert turn.end == ("confirmed", None)


def test_a_driver_that_never_ends_an_action_keeps_nobody_waiting_and_the_dog_stopped(
    world: World,
) -> None:
    world.driver.fault = "wedged"
    sit = Asked(world, "sit")
    world.advance(1.0)
    world.oracle.on_stop()
    world.spawn(world.agent.stop())
    world.advance(ENDS_WITHIN_S + GIVEN_UP_AFTER_S + 0.2)
    assert sit.end == ("failed", "robot_unavailable")
    recover = Asked(world, "recover")
    world.advance(5.2)
    assert recover.end == ("refused", "busy")  # one owner, even a dead one
    assert world.dead_man.tripped  # it goes on stopping the dog
    world.driver.fault = "none"
    world.advance(1.0)
    assert doing(world) is None
    after = Asked(world, "sit")
    world.advance(3.0)
    assert after.end == ("confirmed", None)


def test_a_stop_that_gets_no_answer_is_told_in_time(world: World) -> None:
    world.driver.answers_after_s = 60.0
    world.oracle.on_stop()
    world.spawn(world.agent.handle("stop"))
    assert world.driver.stop_asked
    world.advance(STOP_ANSWER_S + 0.1)
    [outcome] = world.outcomes
    assert (outcome.execution.state, outcome.execution.reason) == ("failed", "robot_unavailable")


def test_a_hanging_loop_stops_the_dog_and_what_was_wished_before(world: World) -> None:
    dance = Asked(world, "dance")
    turn = Asked(world, "turn left")
    world.advance(0.5)
    world.hang(0.4)
    world.advance(0.1)
    assert doing(world) == "Dance"  # short of the limit
    world.hang(0.7)
    assert world.driver.stop_asked
    assert not world.dog.moves_for_us
    world.advance(0.2)
    assert dance.end == ("preempted", "heartbeat_lost")
    assert turn.end == ("preempted", "stopped")
    sit = Asked(world, "sit")
    world.advance(3.0)
    assert sit.end == ("confirmed", None)


def test_a_driver_that_claims_the_end_without_a_fresh_state_is_not_believed(world: World) -> None:
    world.driver.fault = "claiming"
    sit = Asked(world, "sit")
    world.advance(2.0)
    assert sit.end == ("accepted", "state_stale")
