"""The mock's physics, stepped by hand: no DDS, no clock."""

import json
import math

import pytest

from edge_agent.mock_robot.physics import HEIGHT_M, DogPhysics
from edge_agent.mock_robot.sport_api import ALL_NAMES, TRICKS

STEP_S = 0.02


def advance(dog: DogPhysics, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        dog.step(STEP_S)


def call(dog: DogPhysics, api_id: int, **values: object) -> int:
    return dog.command(api_id, json.dumps(values))


def move(dog: DogPhysics, vx: float = 0.0, vy: float = 0.0, vyaw: float = 0.0) -> int:
    return call(dog, 1008, x=vx, y=vy, z=vyaw)


def keep_moving(dog: DogPhysics, seconds: float, **velocity: float) -> None:
    for _ in range(round(seconds / 0.1)):
        assert move(dog, **velocity) == 0
        advance(dog, 0.1)


@pytest.mark.parametrize(
    ("start", "api_id", "posture", "mode"),
    [
        ("standing", 1009, "sitting", 10),
        ("sitting", 1010, "standing", 1),
        ("standing", 1005, "lying", 5),
        ("lying", 1004, "standing", 6),
        ("damped", 1006, "standing", 1),
        ("standing", 1001, "damped", 7),
    ],
)
def test_postures_take_time(start, api_id, posture, mode):
    dog = DogPhysics(start)
    assert call(dog, api_id) == 0
    advance(dog, 0.2)
    assert dog.state().posture == start
    assert dog.state().moving
    advance(dog, 2.0)
    state = dog.state()
    assert (state.posture, state.mode, state.moving) == (posture, mode, False)
    assert state.body_height_m == pytest.approx(HEIGHT_M[posture])


def test_calls_that_do_not_fit_the_posture_are_accepted_and_ignored():
    dog = DogPhysics("lying")
    assert call(dog, 1009) == 0
    assert call(dog, 1016) == 0
    assert move(dog, vx=0.3) == 0
    advance(dog, 3.0)
    assert dog.state().posture == "lying"
    assert dog.state().position_m[0] == 0.0


def test_a_full_turn_accumulates_while_the_heading_wraps():
    dog = DogPhysics()
    keep_moving(dog, 2 * math.pi / 1.5, vyaw=1.5)
    advance(dog, 2.0)
    state = dog.state()
    assert state.yaw_total_rad > math.radians(345)
    assert abs(state.rpy_rad[2]) <= math.pi
    assert math.remainder(state.rpy_rad[2] - state.yaw_total_rad, 2 * math.pi) == pytest.approx(
        0.0, abs=1e-9
    )


def test_velocity_is_in_the_dogs_own_frame():
    dog = DogPhysics()
    keep_moving(dog, 2.0, vyaw=math.pi / 4)
    call(dog, 1003)
    advance(dog, 1.0)
    turned = dog.state().yaw_total_rad
    keep_moving(dog, 2.0, vx=0.3)
    x, y, _ = dog.state().position_m
    assert math.atan2(y, x) == pytest.approx(turned, abs=0.02)


@pytest.mark.parametrize("step_s", [0.005, 0.05])
def test_the_step_hardly_changes_the_motion(step_s):
    dog = DogPhysics()
    move(dog, vx=0.4)
    for _ in range(round(2.0 / step_s)):
        dog.step(step_s)
    assert dog.state().position_m[0] == pytest.approx(0.4, rel=0.06)


def test_move_dies_a_second_after_the_last_resend():
    dog = DogPhysics()
    move(dog, vx=0.3)
    advance(dog, 0.9)
    assert dog.state().velocity_m_s[0] == pytest.approx(0.3, rel=0.01)
    assert dog.state().mode == 3
    advance(dog, 1.0)
    assert not dog.state().moving
    assert dog.state().mode == 1


def test_move_is_ignored_after_stand_up_until_balance_stand():
    dog = DogPhysics("lying")
    call(dog, 1004)
    advance(dog, 2.0)
    keep_moving(dog, 1.0, vx=0.3)
    assert dog.state().position_m[0] == 0.0
    call(dog, 1002)
    advance(dog, 0.5)
    keep_moving(dog, 1.0, vx=0.3)
    assert dog.state().position_m[0] > 0.2


def test_euler_is_held_only_while_it_is_resent():
    dog = DogPhysics()
    for _ in range(10):
        assert call(dog, 1007, x=0.3, y=-0.2, z=0.1) == 0
        advance(dog, 0.06)
    assert dog.state().rpy_rad == pytest.approx((0.3, -0.2, 0.1), abs=0.01)
    advance(dog, 1.5)
    assert dog.state().rpy_rad == pytest.approx((0.0, 0.0, 0.0), abs=1e-3)


@pytest.mark.parametrize("api_id", sorted(TRICKS))
def test_tricks_run_their_time_with_progress(api_id):
    dog = DogPhysics()
    call(dog, api_id)
    advance(dog, TRICKS[api_id].seconds / 2)
    state = dog.state()
    assert 0.4 < state.progress < 0.6
    assert state.doing == ALL_NAMES[api_id]
    advance(dog, TRICKS[api_id].seconds / 2 + 1.0)
    state = dog.state()
    assert (state.progress, state.posture, state.moving) == (0.0, "standing", False)


def test_stop_ends_walks_and_dances_at_once():
    dog = DogPhysics()
    move(dog, vx=0.4, vyaw=1.5)
    advance(dog, 0.5)
    call(dog, 1003)
    advance(dog, 0.6)
    assert not dog.state().moving
    call(dog, 1022)
    advance(dog, 1.0)
    call(dog, 1003)
    assert dog.state().progress == 0.0


def test_damp_wins_over_everything():
    dog = DogPhysics()
    call(dog, 1022)
    advance(dog, 1.0)
    call(dog, 1001)
    advance(dog, 1.0)
    assert dog.state().posture == "damped"


def test_damp_wins_over_getting_up_from_a_fall():
    dog = DogPhysics("fallen")
    call(dog, 1006)
    advance(dog, 0.8)
    call(dog, 1001)
    advance(dog, 1.0)
    state = dog.state()
    assert (state.posture, state.mode) == ("damped", 7)
    assert abs(state.rpy_rad[0]) > 1.2


@pytest.mark.parametrize(
    ("api_id", "parameter", "code"),
    [
        (1008, '{"x": NaN, "y": 0, "z": 0}', 3204),
        (1008, '{"x": 1}', 3204),
        (1007, "[]", 3204),
        (1007, "{", 3204),
        (1028, '{"data": 3}', 3204),
        (4711, "{}", 3203),
        (1015, '{"data": 1}', 0),
    ],
)
def test_codes(api_id, parameter, code):
    assert DogPhysics().command(api_id, parameter) == code


def test_the_battery_drains_slowly_and_faster_in_motion():
    idle, busy = DogPhysics(), DogPhysics()
    advance(idle, 10.0)
    keep_moving(busy, 10.0, vx=0.3)
    assert 91.8 < busy.battery_percent < idle.battery_percent < 92.0
