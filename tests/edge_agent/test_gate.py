"""The gate's decisions on an injected clock."""

import dataclasses
import math

import pytest

from edge_agent.gate import (
    ConfirmationNeeded,
    Confirmations,
    Gate,
    GatePolicy,
    Permit,
    Refusal,
)
from edge_agent.robot.interface import RobotState
from shared.skills import SKILLS, Tier, skill

READY = RobotState(
    connected=True,
    age_s=0.02,
    posture="standing",
    battery_percent=80.0,
    motor_temperature_c=40.0,
)
DANGEROUS = GatePolicy(allow_dangerous=True)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal_reason(gate: Gate, name: str, state: RobotState, active: bool = False) -> str | None:
    decision = gate.check(skill(name), state, active, confirmed=False)
    return decision.reason if isinstance(decision, Refusal) else None


@pytest.mark.parametrize("each", SKILLS, ids=lambda each: each.name)
def test_a_ready_dog_may_do_everything_that_is_not_dangerous(each):
    decision = Gate().check(each, READY, active=False, confirmed=False)
    if each.tier is Tier.DANGEROUS:
        assert isinstance(decision, Refusal)
        assert decision.reason == "dangerous_disabled"
    else:
        assert decision == Permit(each)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"connected": False}, "robot_unavailable"),
        ({"age_s": None}, "robot_unavailable"),
        ({"age_s": 1.2}, "state_stale"),
        ({"age_s": math.nan}, "state_stale"),
        ({"posture": "unknown"}, "posture_unknown"),
        ({"posture": "fallen"}, "posture_fallen"),
        ({"battery_percent": None}, "battery_unknown"),
        ({"battery_percent": math.nan}, "battery_unknown"),
        ({"battery_percent": 19.9}, "battery_low"),
        ({"motor_temperature_c": None}, "motor_temperature_unknown"),
        ({"motor_temperature_c": math.nan}, "motor_temperature_unknown"),
        ({"motor_temperature_c": 75.0}, "motor_hot"),
    ],
)
def test_what_the_state_refuses(change, reason):
    state = dataclasses.replace(READY, **change)
    assert refusal_reason(Gate(), "Sit", state) == reason
    assert Gate().check(skill("StopMove"), state, True, False) == Permit(skill("StopMove"))


def test_the_limits_themselves_are_allowed():
    edge = dataclasses.replace(READY, age_s=1.0, battery_percent=20.0, motor_temperature_c=74.9)
    assert refusal_reason(Gate(), "Sit", edge) is None


def test_a_fallen_dog_may_recover_and_go_soft():
    fallen = dataclasses.replace(READY, posture="fallen")
    assert refusal_reason(Gate(), "RecoveryStand", fallen) is None
    assert refusal_reason(Gate(), "Damp", fallen) is None


def test_an_empty_and_hot_dog_may_go_soft():
    state = dataclasses.replace(READY, battery_percent=3.0, motor_temperature_c=90.0)
    assert refusal_reason(Gate(), "Damp", state) is None


def test_one_action_at_a_time_but_for_what_makes_safe():
    assert refusal_reason(Gate(), "Sit", READY, active=True) == "busy"
    assert refusal_reason(Gate(), "Damp", READY, active=True) is None
    assert refusal_reason(Gate(), "StopMove", READY, active=True) is None


def test_a_stale_wish_is_refused_but_never_a_stop():
    clock = Clock()
    gate = Gate(clock=clock)
    late = gate.check(skill("Sit"), READY, False, False, expires_at=99.0)
    assert isinstance(late, Refusal)
    assert late.reason == "expired"
    assert gate.check(skill("Sit"), READY, False, False, expires_at=101.0) == Permit(skill("Sit"))
    stop = gate.check(skill("StopMove"), READY, True, False, expires_at=0.0)
    assert isinstance(stop, Permit)


def test_dangerous_skills_need_battery_and_a_yes():
    gate = Gate(DANGEROUS)
    flip = skill("FrontFlip")
    assert gate.check(flip, READY, False, False) == ConfirmationNeeded(flip, 10.0)
    assert gate.check(flip, READY, False, True) == Permit(flip)
    tired = dataclasses.replace(READY, battery_percent=39.0)
    assert refusal_reason(gate, "FrontFlip", tired) == "battery_low"
    assert refusal_reason(gate, "Sit", tired) is None


def test_a_yes_allows_nothing_that_the_policy_forbids():
    decision = Gate().check(skill("FrontFlip"), READY, False, True)
    assert isinstance(decision, Refusal)
    assert decision.reason == "dangerous_disabled"


def test_simulation_may_leave_the_confirmation_out():
    gate = Gate(GatePolicy(allow_dangerous=True, confirm_dangerous=False))
    assert isinstance(gate.check(skill("FrontFlip"), READY, False, False), Permit)


def test_a_confirmation_names_its_request_and_counts_once():
    clock = Clock()
    asked = Confirmations(10.0, clock)
    assert asked.ask("r1", skill("FrontFlip")) == 110.0
    other = asked.answer("r2", accept=True)
    assert isinstance(other, Refusal)
    assert other.reason == "confirmation_unknown"
    clock.now = 110.0
    assert asked.answer("r1", accept=True) == skill("FrontFlip")
    again = asked.answer("r1", accept=True)
    assert isinstance(again, Refusal)


@pytest.mark.parametrize(
    ("seconds", "accept", "reason"),
    [(10.1, True, "confirmation_expired"), (1.0, False, "confirmation_declined")],
)
def test_late_and_declined_confirmations(seconds, accept, reason):
    clock = Clock()
    asked = Confirmations(10.0, clock)
    asked.ask("r1", skill("FrontJump"))
    clock.now += seconds
    answer = asked.answer("r1", accept)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason


def test_a_newer_question_and_a_stop_withdraw_the_older_ones():
    asked = Confirmations(10.0, Clock())
    asked.ask("r1", skill("FrontJump"))
    asked.ask("r2", skill("FrontFlip"))
    assert isinstance(asked.answer("r1", accept=True), Refusal)
    asked.withdraw()
    assert isinstance(asked.answer("r2", accept=True), Refusal)
