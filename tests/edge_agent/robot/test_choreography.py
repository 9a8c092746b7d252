"""The table of choreographies: complete, finite, within the clamps, and ended properly."""

import math

import pytest

from edge_agent.mock_robot.sport_api import ALL_NAMES
from edge_agent.robot.choreography import (
    CHOREOGRAPHIES,
    MAX_VYAW_RAD_S,
    Call,
    Drive,
    Hold,
    OutOfRange,
    TurnBy,
    check_attitude,
    check_velocity,
    preparation,
)
from shared.skills import SKILL_NAMES


def flat(steps):
    for step in steps:
        yield step
        if isinstance(step, Call) and step.if_unsupported:
            yield from flat(step.if_unsupported)


def test_every_skill_has_one_choreography_and_nothing_else_has():
    assert set(CHOREOGRAPHIES) == set(SKILL_NAMES)
    assert len(CHOREOGRAPHIES) == 34
    assert all(name == each.skill for name, each in CHOREOGRAPHIES.items())


@pytest.mark.parametrize("skill", SKILL_NAMES)
def test_steps_are_finite_and_name_real_calls(skill):
    choreography = CHOREOGRAPHIES[skill]
    assert choreography.steps
    assert 0 < choreography.duration_s < 30
    for step in flat(choreography.steps):
        if isinstance(step, Call):
            assert ALL_NAMES[step.api_id] == step.name
            assert 0 < step.timeout_s <= 40
        elif isinstance(step, Drive | Hold):
            assert 0 < step.seconds <= 3
        elif isinstance(step, TurnBy):
            assert step.speed_rad_s > 0
            assert abs(step.angle_rad) / step.speed_rad_s < step.timeout_s


@pytest.mark.parametrize("skill", SKILL_NAMES)
def test_what_walks_or_tilts_is_prepared_and_settled(skill):
    choreography = CHOREOGRAPHIES[skill]
    if any(isinstance(step, Drive | Hold | TurnBy) for step in choreography.steps):
        assert choreography.start == "standing"
        assert choreography.end == "standing"
        names = [getattr(step, "name", None) for step in choreography.steps[-2:]]
        assert names == ["StopMove", "BalanceStand"]


@pytest.mark.parametrize("skill", SKILL_NAMES)
def test_walks_return_the_dog_to_about_where_it_was(skill):
    x = y = yaw = 0.0
    for step in CHOREOGRAPHIES[skill].steps:
        if isinstance(step, Drive):
            for _ in range(20):
                dt = step.seconds / 20
                x += (step.vx_m_s * math.cos(yaw) - step.vy_m_s * math.sin(yaw)) * dt
                y += (step.vx_m_s * math.sin(yaw) + step.vy_m_s * math.cos(yaw)) * dt
                yaw += step.vyaw_rad_s * dt
    assert math.hypot(x, y) <= 0.5 * max(CHOREOGRAPHIES[skill].space_m, 1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 99.0, MAX_VYAW_RAD_S + 0.01])
def test_what_is_not_finite_or_too_much_is_refused(value):
    for make in (
        lambda: Drive(0.0, 0.0, value, 1.0),
        lambda: Drive(value, 0.0, 0.0, 1.0),
        lambda: Hold(value, 0.0, 0.0, 1.0),
        lambda: TurnBy(1.0, value, 1.0),
        lambda: check_velocity(0.0, value, 0.0),
        lambda: check_attitude(0.0, 0.0, value),
    ):
        with pytest.raises(OutOfRange):
            make()


@pytest.mark.parametrize(
    ("start", "posture", "balanced", "names"),
    [
        ("standing", "standing", True, []),
        ("standing", "standing", False, ["BalanceStand"]),
        ("standing", "sitting", True, ["RiseSit", "BalanceStand"]),
        ("standing", "lying", False, ["StandUp", "BalanceStand"]),
        ("standing", "damped", False, ["StandUp", "BalanceStand"]),
        ("standing", "fallen", False, []),
        ("standing", "unknown", False, []),
        ("risen", "sitting", False, ["RiseSit"]),
        ("risen", "lying", False, []),
        ("risen", "damped", False, []),
        ("firm", "sitting", False, ["RiseSit"]),
        ("firm", "damped", False, ["StandUp"]),
        ("firm", "lying", False, []),
        ("upright", "damped", False, ["StandUp"]),
        ("upright", "sitting", False, []),
        ("lying", "standing", True, ["StandDown"]),
        ("lying", "sitting", False, ["RiseSit", "StandDown"]),
        ("lying", "lying", False, []),
        ("lying", "fallen", False, []),
        ("lying", "unknown", False, ["StandDown"]),
        ("any", "sitting", False, []),
    ],
)
def test_preparation(start, posture, balanced, names):
    assert [call.name for call in preparation(start, posture, balanced)] == names
