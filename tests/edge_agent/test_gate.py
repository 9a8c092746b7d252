"""The gate's decisions on an injected clock: what each tier needs, and what meets what is under way."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any, get_args

import pytest

from edge_agent.gate import (
    MEETINGS,
    RULES,
    TRANSITIONS,
    Activity,
    Gate,
    GatePolicy,
    Wish,
)
from edge_agent.robot.interface import RobotState
from edge_agent.verdict import ConfirmationNeeded, Permit, Refusal, Replace, Wait
from shared.skills import SKILLS, Tier, skill

READY = RobotState(
    connected=True,
    age_s=0.02,
    posture="standing",
    battery_percent=80.0,
    motor_temperature_c=40.0,
)
DANGEROUS = GatePolicy(allow_dangerous=True)
OF_TIER = {
    Tier.SAFE: "Damp",
    Tier.IN_PLACE: "Sit",
    Tier.NEEDS_SPACE: "Dance",
    Tier.DANGEROUS: "FrontFlip",
}


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_gate(policy: GatePolicy = DANGEROUS, clock: Any = None) -> Gate:
    return Gate(policy, clock or Clock())


def wish(name: str, key: str = "r1/1", expires_at: float = 120.0) -> Wish:
    return Wish(skill(name), key.split("/")[0], key, expires_at)


def agree(gate: Gate, wanted: Wish) -> None:
    gate.confirmations.ask(wanted.request_id, wanted.skill)
    assert gate.confirmations.answer(wanted.request_id, accept=True) == wanted.skill


def refusal_reason(gate: Gate, name: str, state: RobotState) -> str | None:
    decision = gate.decide(wish(name), state)
    return decision.reason if isinstance(decision, Refusal) else None


# --- what each tier needs -------------------------------------------------------------------------


@pytest.mark.parametrize("each", SKILLS, ids=lambda each: each.name)
def test_a_ready_dog_may_do_everything_that_is_not_dangerous(each: Any) -> None:
    decision = make_gate(GatePolicy()).decide(wish(each.name), READY)
    if each.tier is Tier.DANGEROUS:
        assert isinstance(decision, Refusal)
        assert decision.reason == "dangerous_disabled"
    else:
        assert decision == Permit(each)


UNSAFE: list[tuple[dict[str, Any], str]] = [
    ({"connected": False}, "robot_unavailable"),
    ({"age_s": None}, "robot_unavailable"),
    ({"age_s": 1.2}, "state_stale"),
    ({"age_s": math.nan}, "state_stale"),
    ({"age_s": -1.0}, "state_stale"),
    ({"posture": "unknown"}, "posture_unknown"),
    ({"posture": "fallen"}, "posture_fallen"),
    ({"battery_percent": None}, "battery_unknown"),
    ({"battery_percent": math.nan}, "battery_unknown"),
    ({"battery_percent": math.inf}, "battery_unknown"),
    ({"battery_percent": -1.0}, "battery_unknown"),
    ({"battery_percent": 19.9}, "battery_low"),
    ({"motor_temperature_c": None}, "motor_temperature_unknown"),
    ({"motor_temperature_c": math.nan}, "motor_temperature_unknown"),
    ({"motor_temperature_c": -math.inf}, "motor_temperature_unknown"),
    ({"motor_temperature_c": 75.0}, "motor_hot"),
]


@pytest.mark.parametrize(("change", "reason"), UNSAFE)
@pytest.mark.parametrize("name", ["Sit", "Dance", "FrontFlip"])
def test_what_the_state_refuses(change: dict[str, Any], reason: str, name: str) -> None:
    state = dataclasses.replace(READY, **change)
    assert refusal_reason(make_gate(), name, state) == reason
    assert make_gate().decide(wish("StopMove"), state) == Permit(skill("StopMove"))


@pytest.mark.parametrize(("change", "reason"), UNSAFE)
def test_what_the_state_ends(change: dict[str, Any], reason: str) -> None:
    state = dataclasses.replace(READY, **change)
    for tier, name in OF_TIER.items():
        gate = make_gate()
        assert gate.supervise(state) is None  # nothing is under way
        gate.begin(wish(name))
        assert gate.supervise(READY) is None
        found = gate.supervise(state)
        kinds = {"rob": "connection", "sta": "connection", "pos": "posture"}
        kept = kinds.get(reason[:3], "body") in RULES[tier].kept
        if kept and reason != "posture_unknown":  # a dog on its way from one to another has none
            assert found is not None
            assert found.reason == reason
        else:
            assert found is None
        gate.stop()
        assert gate.supervise(state) is None  # it is being ended already


def test_what_tilts_by_its_nature_is_not_ended_for_it() -> None:
    fallen = dataclasses.replace(READY, posture="fallen")
    for name in ("RecoveryStand", "Wallow"):
        gate = make_gate()
        gate.begin(wish(name))
        assert gate.supervise(fallen) is None


def test_the_limits_themselves_are_allowed() -> None:
    edge = dataclasses.replace(READY, age_s=1.0, battery_percent=20.0, motor_temperature_c=74.9)
    assert refusal_reason(make_gate(), "Sit", edge) is None


def test_a_fallen_dog_may_recover_and_go_soft() -> None:
    fallen = dataclasses.replace(READY, posture="fallen", moving=True)
    assert refusal_reason(make_gate(), "RecoveryStand", fallen) is None
    assert refusal_reason(make_gate(), "Damp", fallen) is None


def test_an_empty_and_hot_dog_may_go_soft() -> None:
    state = dataclasses.replace(READY, battery_percent=3.0, motor_temperature_c=90.0)
    assert refusal_reason(make_gate(), "Damp", state) is None


def test_a_stale_wish_is_refused_but_never_a_stop() -> None:
    gate = make_gate()
    for expires_at in (99.0, math.nan):
        late = gate.decide(wish("Sit", expires_at=expires_at), READY)
        assert isinstance(late, Refusal)
        assert (late.reason, late.state) == ("expired", "expired")
    assert gate.decide(wish("Sit", expires_at=101.0), READY) == Permit(skill("Sit"))
    assert isinstance(gate.decide(wish("StopMove", expires_at=0.0), READY), Permit)


def test_a_key_acts_once() -> None:
    gate = make_gate()
    gate.begin(wish("Sit", "r1/1"))
    gate.ended()
    assert refusal_reason(gate, "Sit", READY) == "repeated"
    assert gate.decide(wish("Sit", "r1/2"), READY) == Permit(skill("Sit"))


# --- tier 3 ---------------------------------------------------------------------------------------


def test_dangerous_skills_need_battery_and_a_yes() -> None:
    gate, flip = make_gate(), wish("FrontFlip")
    assert gate.decide(flip, READY) == ConfirmationNeeded(flip.skill, 10.0)
    agree(gate, flip)
    assert gate.decide(flip, READY) == Permit(flip.skill)
    tired = dataclasses.replace(READY, battery_percent=39.0)
    assert refusal_reason(gate, "FrontFlip", tired) == "battery_low"
    assert refusal_reason(gate, "Sit", tired) is None


def test_a_yes_counts_for_its_request_and_skill_and_for_ten_seconds() -> None:
    clock = Clock()
    gate, flip = make_gate(clock=clock), wish("FrontFlip")
    agree(gate, flip)
    for other in (wish("FrontJump"), wish("FrontFlip", "r2/1")):
        assert isinstance(gate.decide(other, READY), ConfirmationNeeded)
    clock.now += 10.0
    assert isinstance(gate.decide(flip, READY), Permit)
    clock.now += 0.1
    assert isinstance(gate.decide(flip, READY), ConfirmationNeeded)


@pytest.mark.parametrize("event", ["stop", "another action", "a newer question", "its own action"])
def test_what_takes_a_yes_back(event: str) -> None:
    gate, flip = make_gate(), wish("FrontFlip")
    agree(gate, flip)
    if event == "stop":
        gate.stop()
    elif event == "a newer question":
        gate.confirmations.ask("r2", skill("FrontJump"))
    else:
        gate.begin(flip if event == "its own action" else wish("Sit", "r2/1"))
        gate.ended()
    again = wish("FrontFlip", "r1/2")
    assert isinstance(gate.decide(again, READY), ConfirmationNeeded)


def test_a_yes_allows_nothing_that_the_policy_forbids() -> None:
    gate = make_gate(GatePolicy())
    agree(gate, wish("FrontFlip"))
    assert refusal_reason(gate, "FrontFlip", READY) == "dangerous_disabled"


def test_simulation_may_leave_the_confirmation_out() -> None:
    gate = make_gate(GatePolicy(allow_dangerous=True, confirm_dangerous=False))
    assert isinstance(gate.decide(wish("FrontFlip"), READY), Permit)


# --- one action at a time -------------------------------------------------------------------------

SAYS = {"start": Permit, "wait": Wait, "replace": Replace, "refuse": Refusal}


@pytest.mark.parametrize(("new", "old"), list(itertools.product(Tier, Tier)))
def test_what_meets_an_action_under_way(new: Tier, old: Tier) -> None:
    gate = make_gate()
    gate.begin(wish(OF_TIER[old], "r0/1"))
    moving = dataclasses.replace(READY, moving=True)
    decision = gate.decide(wish(OF_TIER[new]), moving)
    assert isinstance(decision, SAYS[MEETINGS[new][old]])
    if isinstance(decision, Refusal):
        assert decision.reason == "busy"


def test_the_table_of_meetings_is_the_rule_that_is_written() -> None:
    assert [MEETINGS[Tier.SAFE][old] for old in Tier] == ["wait", "replace", "replace", "replace"]
    assert [MEETINGS[Tier.IN_PLACE][old] for old in Tier] == ["wait", "replace", "replace", "wait"]
    assert {MEETINGS[Tier.NEEDS_SPACE][old] for old in Tier} == {"wait"}
    under_way = [each for each in MEETINGS[Tier.DANGEROUS] if each != "nothing"]
    assert {MEETINGS[Tier.DANGEROUS][each] for each in under_way} == {"refuse"}
    assert {MEETINGS[tier]["stopping"] for tier in list(Tier)[:3]} == {"wait"}


def test_a_dog_that_others_move_is_waited_for() -> None:
    moving = dataclasses.replace(READY, moving=True)
    assert isinstance(make_gate().decide(wish("Sit"), moving), Wait)
    assert isinstance(make_gate().decide(wish("Dance"), moving), Wait)
    assert refusal_reason(make_gate(), "FrontFlip", moving) == "busy"
    assert isinstance(make_gate().decide(wish("Damp"), moving), Permit)


def test_an_unsafe_wish_does_not_disturb_what_is_under_way() -> None:
    gate = make_gate()
    gate.begin(wish("Dance", "r0/1"))
    hot = dataclasses.replace(READY, motor_temperature_c=80.0)
    assert refusal_reason(gate, "Sit", hot) == "motor_hot"


@pytest.mark.parametrize("posture", ["fallen", "unknown"])
def test_a_posture_that_refuses_does_not_disturb_a_dog_that_gets_up(posture: Any) -> None:
    gate = make_gate()
    gate.begin(wish("RecoveryStand", "r0/1"))
    down = dataclasses.replace(READY, posture=posture, moving=True)
    assert refusal_reason(gate, "Sit", down) == f"posture_{posture}"
    for name in ("RecoveryStand", "Damp"):  # what may begin in any posture replaces as ever
        assert isinstance(gate.decide(wish(name), down), Replace)
    assert isinstance(gate.decide(wish("Dance"), down), Wait)  # it may stand by its turn


def test_a_dog_that_lies_on_its_side_by_what_it_does_is_not_disturbed_either() -> None:
    gate = make_gate()
    gate.begin(wish("Wallow", "r0/1"))
    tilted = dataclasses.replace(READY, posture="fallen", moving=True)
    assert refusal_reason(gate, "Sit", tilted) == "posture_fallen"


@pytest.mark.parametrize("posture", ["unknown", "standing", "sitting", "lying", "damped"])
@pytest.mark.parametrize("old", ["StandDown", "Dance"])
def test_a_posture_that_is_prepared_or_on_its_way_to_another_refuses_nothing(
    old: str, posture: Any
) -> None:
    gate = make_gate()
    gate.begin(wish(old, "r0/1"))
    moving = dataclasses.replace(READY, posture=posture, moving=True)
    assert isinstance(gate.decide(wish("Sit"), moving), Replace)


def test_the_newest_wish_has_the_one_waiting_place_until_a_stop() -> None:
    gate = make_gate()
    gate.begin(wish("Dance", "r0/1"))
    first, second = wish("TurnLeft", "r1/1"), wish("TurnRight", "r2/1")
    gate.take_place(first)
    gate.take_place(second)
    assert not gate.holds_place(first)
    gate.leave_place(first)  # it is not his any more
    assert gate.holds_place(second)
    gate.end_action()
    assert gate.holds_place(second)
    gate.stop()
    assert not gate.holds_place(second)


def test_one_owner() -> None:
    gate = make_gate()
    gate.begin(wish("Dance", "r0/1"))
    with pytest.raises(KeyError):
        gate.begin(wish("Sit"))
    gate.stop()
    with pytest.raises(KeyError):
        gate.begin(wish("Sit"))
    gate.ended()
    with pytest.raises(KeyError):
        gate.ended()
    gate.begin(wish("Sit"))


def test_a_stop_is_possible_in_every_state() -> None:
    assert {state for state, event in TRANSITIONS if event == "stop"} == set(get_args(Activity))
    assert all(
        TRANSITIONS[state, "stop"] == ("idle" if state == "idle" else "stopping")
        for state in get_args(Activity)
    )


def test_the_document_shows_the_table_of_meetings() -> None:
    text = (Path(__file__).parents[2] / "docs" / "safety.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| tier ") and set(line.split()) & {"start", "refuse"}
    ]
    columns: list[Any] = ["nothing", "stray", "stopping", *Tier]
    assert [row[1:] for row in rows] == [[MEETINGS[new][old] for old in columns] for new in Tier]
