"""A taught movement keeps every limit of the built-in ones, and some that they keep by review."""

from pathlib import Path
from typing import Any

import pytest

from edge_agent.gate import GatePolicy
from edge_agent.mock_robot.sport_api import TRICKS
from edge_agent.robot.choreography import (
    BALANCE_STAND,
    CHOREOGRAPHIES,
    STOP_MOVE,
    Call,
    Drive,
    Hold,
    TurnBy,
    Wait,
)
from edge_agent.robot.taught_choreography import MAX_DURATION_S, build_choreography, follow
from shared.errors import ConfigurationError
from shared.taught_skill import TaughtSkill, read_taught_skill


def taught(*steps: dict[str, Any], tier: int = 1, **movement: Any) -> TaughtSkill:
    return TaughtSkill.model_validate(
        {
            "name": "Trick",
            "tier": tier,
            "english": "trick",
            "chinese": "花样",
            "say_english": "Look!",
            "say_chinese": "看！",
            "movement": {"duration_s": 20.0, "steps": list(steps), **movement},
        }
    )


def test_the_example_goes_down_and_up_and_comes_to_rest() -> None:
    made = build_choreography(read_taught_skill(Path("examples/push-ups")))
    calls = [step.name for step in made.steps if isinstance(step, Call)]
    down_and_up = ["StandDown", "StandUp"] * 3
    assert calls == [*down_and_up, "BalanceStand", "StopMove", "BalanceStand"]
    assert (made.start, made.end, made.space_m) == ("standing", "standing", 0.0)


def test_every_kind_of_step_is_built() -> None:
    made = build_choreography(
        taught(
            {"drive": {"vx_m_s": 0.2, "seconds": 1.0}},
            {"turn": {"angle_rad": -1.5}},
            {"call": "StopMove"},
            {"call": "BalanceStand"},
            {"hold": {"roll_rad": 0.2, "seconds": 0.5}},
            {"wait": 1.0},
            {"call": "Hello"},
            {"call": "Sit"},
            tier=2,
            space_m=1.0,
        )
    )
    drive, turn, _, _, hold, *_, sit = made.steps
    assert drive == Drive(0.2, 0.0, 0.0, 1.0)
    assert turn == TurnBy(-1.5, 0.8, pytest.approx(2.0 + 1.5 * 1.5 / 0.8))
    assert hold == Hold(0.2, 0.0, 0.0, 0.5)
    assert made.end == "sitting"
    assert isinstance(sit, Call)
    assert sit.name == "Sit"


BALANCE = {"call": "BalanceStand"}
BALANCED = [{"call": "StopMove"}, BALANCE]
JUMP = {"call": "FrontJump"}
TURN_ABOUT = {"turn": {"angle_rad": 3.14}}
DRIVE_BACK = {"drive": {"vx_m_s": -0.4, "seconds": 1.0}}


@pytest.mark.parametrize(
    ("steps", "rest", "says"),
    [
        ([{"call": "BackFlip"}], {}, "step 1: BackFlip is no call of a taught skill"),
        ([{"call": "Damp"}], {"tier": 3}, "Damp is no call of a taught skill"),
        ([{"call": "RecoveryStand"}], {}, "RecoveryStand is no call"),
        ([{"hold": {"pitch_rad": 0.5, "seconds": 1.0}}], {}, "attitude 0.5 is outside"),
        ([{"hold": {"pitch_rad": 0.2, "seconds": 30.0}}], {}, "30.0 s is not above 0"),
        ([{"hold": {"pitch_rad": 0.2, "seconds": 0.0}}], {}, "0.0 s is not above 0"),
        ([BALANCE, {"drive": {"vx_m_s": 0.9, "seconds": 1.0}}], {"tier": 2}, "step 2: velocity"),
        ([{"drive": {"vx_m_s": 0.2, "seconds": 1.0}}], {}, "step 1 needs tier 2, not 1"),
        ([{"turn": {"angle_rad": 1.0}}], {}, "step 1 needs tier 2, not 1"),
        ([{"turn": {"angle_rad": 9.0}}], {"tier": 2}, "is not within a full turn"),
        ([{"turn": {"angle_rad": 1.0, "speed_rad_s": 0.01}}], {"tier": 2}, "does not end"),
        ([{"turn": {"angle_rad": 1.0, "speed_rad_s": 2.0}}], {"tier": 2}, "velocity 2.0"),
        ([{"call": "FrontFlip"}], {"tier": 2, "space_m": 2.0}, "step 1 needs tier 3, not 2"),
        ([{"call": "Dance1"}], {}, "step 1 needs tier 2, not 1"),
        ([{"wait": 6.0}], {}, "6.0 s is not above 0 and at most 5"),
        ([{"call": "Sit"}, {"hold": {"seconds": 1.0}}], {}, "put RiseSit and BalanceStand"),
        ([{"call": "Sit"}, {"call": "Hello"}], {}, "Hello cannot come while sitting"),
        ([{"call": "RiseSit"}], {}, "RiseSit cannot come while balanced"),
        ([{"call": "StandDown"}, {"call": "Sit"}], {}, "put StandUp and BalanceStand before it"),
        (
            [{"call": "StandDown"}, {"call": "StandUp"}, {"hold": {"seconds": 1.0}}],
            {},
            "step 3: a dog that is standing does not tilt; put BalanceStand before it",
        ),
        (
            [{"drive": {"vx_m_s": 0.2, "seconds": 1.0}}, {"hold": {"seconds": 1.0}}],
            {"tier": 2, "space_m": 1.0},
            "put StopMove and BalanceStand before it",
        ),
        ([{"drive": {"vx_m_s": 0.2, "seconds": 1.0}}], {"tier": 2}, "needs space_m of 1"),
        (
            [{"drive": {"vx_m_s": 0.4, "seconds": 3.0}}] * 2,
            {"tier": 2, "space_m": 2.0},
            "it goes 2.40 m away, which needs space_m of 4.80",
        ),
        ([JUMP], {"tier": 3, "space_m": 1.0}, "it goes 1.00 m away, which needs space_m of 2.00"),
        ([JUMP] * 3, {"tier": 3, "space_m": 2.0}, "needs space_m of 6.00"),
        ([JUMP, TURN_ABOUT, *BALANCED, JUMP], {"tier": 3, "space_m": 2.0}, "space_m of 4.00"),
        ([JUMP, DRIVE_BACK], {"tier": 3, "space_m": 2.0}, "needs space_m of 2.80"),
        ([DRIVE_BACK, *BALANCED, JUMP], {"tier": 3, "space_m": 2.0}, "space_m of 2.80"),
        ([{"call": "Dance1"}], {"tier": 2, "space_m": 1.0}, "needs space_m of 2.00"),
        (
            [DRIVE_BACK, *BALANCED, {"call": "Dance2"}],
            {"tier": 2, "space_m": 2.0},
            "needs space_m of 2.80",
        ),
        ([{"wait": 5.0}] * 5, {}, "its steps take 25.0 s, more than duration_s"),
        ([BALANCE], {"duration_s": 46.0}, "at most 45"),
        ([BALANCE], {"duration_s": 0.0}, "above 0"),
        ([BALANCE] * 81, {}, "more than 80 steps"),
        ([BALANCE], {"space_m": -1.0}, "space_m must be between"),
    ],
)
def test_a_movement_that_is_not_safe_is_refused(
    steps: list[dict[str, Any]], rest: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        build_choreography(taught(*steps, **rest))
    assert "the movement of the taught skill Trick is refused" in refused.value.message
    assert says in refused.value.message


@pytest.mark.parametrize("call", ["FrontFlip", "FrontJump", "FrontPounce", "Dance1", "Dance2"])
def test_a_trick_in_the_middle_has_the_space_that_the_built_in_ones_declare(call: str) -> None:
    [built_in] = [
        each
        for each in CHOREOGRAPHIES.values()
        if [step.name for step in each.steps if isinstance(step, Call)] == [call]
        or (call == "Dance2" and each.skill == "Dance")
    ]
    for steps in ([{"call": call}], [TURN_ABOUT, *BALANCED, {"call": call}]):
        made = build_choreography(taught(*steps, tier=3, space_m=built_in.space_m))
        assert made.space_m == built_in.space_m == 2.0


@pytest.mark.parametrize("call", ["FrontFlip", "FrontJump", "FrontPounce"])
def test_leaps_carry_the_mock_dog_no_further_than_is_counted(call: str) -> None:
    leaps = [{"call": call}] * 3
    made = build_choreography(taught(*leaps, tier=3, space_m=6.0))
    carried_m = sum(TRICKS[step.api_id].advance_m for step in made.steps if step.name == call)
    assert 0.0 < carried_m <= 3.0
    with pytest.raises(ConfigurationError, match=r"it goes 3\.00 m away"):
        build_choreography(taught(*leaps, tier=3, space_m=5.9))


def test_a_dog_stands_still_in_balance_before_it_waits_after_a_walk() -> None:
    for walk in ({"drive": {"vx_m_s": 0.4, "seconds": 1.0}}, {"turn": {"angle_rad": 1.0}}):
        made = build_choreography(
            taught(walk, {"wait": 1.0}, {"wait": 1.0}, walk, tier=2, space_m=2.0)
        )
        settle = [STOP_MOVE, BALANCE_STAND]
        first, *rest, last = made.steps[:-2]
        assert first == last
        assert rest == [*settle, Wait(1.0), Wait(1.0)]
        assert list(made.steps[-2:]) == settle
    with pytest.raises(ValueError, match="put StopMove and BalanceStand before it"):
        follow(Wait(1.0), "walking")


def test_a_taught_movement_ends_before_the_gate_takes_the_dog_away() -> None:
    assert GatePolicy().action_limit_s > MAX_DURATION_S


@pytest.mark.parametrize(
    "skill", [name for name, each in CHOREOGRAPHIES.items() if each.start == "standing"]
)
def test_the_built_in_movements_keep_the_same_order_of_postures(skill: str) -> None:
    posture = "balanced"
    for step in CHOREOGRAPHIES[skill].steps:
        posture = follow(step, posture)
    assert posture in ("balanced", "sitting", "lying")
