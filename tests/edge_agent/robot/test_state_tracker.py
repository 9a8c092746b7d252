"""What the driver makes of the robot's state messages, on hand-made messages and times."""

import dataclasses
import math

import pytest

from edge_agent.robot.state_tracker import SportSample, StateTracker, posture_of, says_damped

STANDING = SportSample(
    mode=1,
    error_code=0,
    progress=0.0,
    position_m=(0.0, 0.0, 0.32),
    velocity_m_s=(0.0, 0.0, 0.0),
    yaw_speed_rad_s=0.0,
    rpy_rad=(0.0, 0.0, 0.1),
    gyroscope_rad_s=(0.0, 0.0, 0.0),
    body_height_m=0.32,
    received_at=10.0,
)


def sample(**changes) -> SportSample:
    return dataclasses.replace(STANDING, **changes)


@pytest.mark.parametrize(
    ("changes", "posture"),
    [
        ({}, "standing"),
        ({"mode": 6}, "standing"),
        ({"mode": 10}, "sitting"),
        ({"mode": 5}, "lying"),
        ({"mode": 7}, "damped"),
        ({"mode": 0}, "standing"),
        ({"mode": 0, "body_height_m": 0.1}, "unknown"),
        ({"mode": 0, "body_height_m": 0.0, "rpy_rad": (0.0, 0.0, 0.0)}, "unknown"),
        ({"rpy_rad": (1.4, 0.0, 0.0)}, "fallen"),
        ({"rpy_rad": (0.0, -1.2, 0.0)}, "fallen"),
        ({"mode": 7, "rpy_rad": (1.4, 0.0, 0.0)}, "fallen"),
        ({"mode": 11, "rpy_rad": (0.0, 2.0, 0.0)}, "standing"),
        ({"progress": 0.5, "rpy_rad": (3.0, 0.0, 0.0)}, "standing"),
        ({"mode": 0, "error_code": 1001}, "damped"),
        ({"mode": 0, "error_code": 1007}, "sitting"),
        ({"mode": 99, "error_code": 5}, "standing"),
    ],
)
def test_postures(changes, posture):
    assert posture_of(sample(**changes)) == posture


@pytest.mark.parametrize(
    ("changes", "soft"),
    [
        ({}, False),
        ({"mode": 7}, True),
        ({"mode": 7, "rpy_rad": (1.5, 0.0, 0.0)}, True),
        ({"mode": 7, "error_code": 1004}, False),
        ({"mode": 0, "rpy_rad": (1.5, 0.0, 0.0)}, False),
        ({"mode": 1, "error_code": 1001, "rpy_rad": (1.5, 0.0, 0.0)}, True),
    ],
)
def test_a_dog_says_that_it_is_soft_however_it_lies(changes, soft):
    tracker = StateTracker()
    assert not says_damped(tracker.state(10.0))
    tracker.take_sport(sample(**changes))
    assert says_damped(tracker.state(10.0)) is soft


@pytest.mark.parametrize(
    ("changes", "moving"),
    [
        ({}, False),
        ({"velocity_m_s": (0.02, 0.02, 0.0), "gyroscope_rad_s": (0.1, 0.1, 0.05)}, False),
        ({"velocity_m_s": (0.1, 0.0, 0.0)}, True),
        ({"yaw_speed_rad_s": -0.5}, True),
        ({"gyroscope_rad_s": (0.0, 0.6, 0.0)}, True),
        ({"progress": 0.3}, True),
        ({"body_height_m": 0.30}, True),
    ],
)
def test_motion(changes, moving):
    tracker = StateTracker()
    tracker.take_sport(STANDING)
    tracker.take_sport(sample(**{"received_at": 10.02, **changes}))
    assert tracker.state(10.02).moving is moving


def test_whole_turns_are_kept_both_ways():
    tracker = StateTracker()
    for direction, total in ((1, 4 * math.pi), (-1, 0.0)):
        for step in range(1, 41):
            start = 0.0 if direction == 1 else 4 * math.pi
            yaw = math.remainder(start + direction * step * math.pi / 10, 2 * math.pi)
            tracker.take_sport(sample(rpy_rad=(0.0, 0.0, yaw)))
            if direction == 1 and step == 1:
                first = tracker.state(10.0).yaw_total_rad - math.pi / 10
        assert tracker.state(10.0).yaw_total_rad - first == pytest.approx(total, abs=1e-9)


def test_age_and_connection():
    tracker = StateTracker()
    assert tracker.state(0.0).age_s is None
    assert not tracker.state(0.0).connected
    tracker.take_sport(STANDING)
    tracker.take_low(77.0, 41.0, 10.0)
    state = tracker.state(10.5)
    assert (state.connected, state.age_s, state.battery_percent) == (True, 0.5, 77.0)
    assert state.motor_temperature_c == 41.0
    assert not tracker.state(13.0).connected


@pytest.mark.parametrize(
    "change",
    [
        {"rpy_rad": (0.0, 0.0, math.nan)},
        {"position_m": (math.inf, 0.0, 0.0)},
        {"velocity_m_s": (0.0, math.nan, 0.0)},
        {"gyroscope_rad_s": (math.nan, 0.0, 0.0)},
        {"yaw_speed_rad_s": math.nan},
        {"body_height_m": math.nan},
        {"progress": math.nan},
    ],
)
def test_messages_that_are_not_finite_are_left_out(change):
    tracker = StateTracker()
    tracker.take_sport(STANDING)
    tracker.take_sport(sample(**{"received_at": 11.0, **change}))
    assert tracker.state(11.0).age_s == 1.0
    assert tracker.state(11.0).yaw_total_rad == pytest.approx(0.1)


def test_a_repeated_message_is_no_news():
    tracker = StateTracker()
    tracker.take_sport(sample(stamp_s=5.0))
    tracker.take_sport(sample(stamp_s=5.0, received_at=11.0))
    assert tracker.state(11.0).age_s == 1.0
    tracker.take_sport(sample(stamp_s=5.02, received_at=11.0))
    assert tracker.state(11.0).age_s == 0.0


def test_a_dog_without_stamps_is_believed():
    tracker = StateTracker()
    tracker.take_sport(sample(stamp_s=0.0))
    tracker.take_sport(sample(stamp_s=0.0, received_at=11.0))
    assert tracker.state(11.0).age_s == 0.0


@pytest.mark.parametrize(
    ("changes", "sessions"),
    [
        ({"stamp_s": 50.02, "received_at": 10.02}, 1),
        ({"stamp_s": 49.9, "received_at": 10.02}, 1),  # two messages out of order
        ({"stamp_s": 0.1, "received_at": 10.5}, 2),
        ({"stamp_s": 53.0, "received_at": 13.0}, 2),
    ],
)
def test_a_restart_or_a_silence_begins_a_new_session(changes, sessions):
    tracker = StateTracker()
    tracker.take_sport(sample(stamp_s=50.0, rpy_rad=(0.0, 0.0, 3.0)))
    tracker.take_sport(sample(rpy_rad=(0.0, 0.0, -3.0), **changes))
    assert tracker.session == sessions
    turned = 2 * math.pi - 3.0 if sessions == 1 else -3.0
    assert tracker.state(10.0).yaw_total_rad == pytest.approx(turned)


def test_a_clock_that_begins_at_zero_begins_one_session():
    tracker = StateTracker()
    tracker.take_sport(sample(stamp_s=50.0))
    for number in range(3):
        stamp_s = 0.02 * number
        tracker.take_sport(sample(stamp_s=stamp_s, received_at=14.0 + stamp_s))
    assert tracker.session == 2


def test_an_old_charge_is_unknown():
    tracker = StateTracker()
    tracker.take_sport(STANDING)
    tracker.take_low(77.0, 41.0, 10.0)
    tracker.take_sport(sample(received_at=16.0))
    state = tracker.state(16.0)
    assert (state.battery_percent, state.motor_temperature_c) == (None, None)
