"""The mock dog without its network: what each fault makes of requests, state and body."""

import math

import pytest

from edge_agent.mock_robot.dog import MockDog

SIT, STAND_UP, RECOVERY_STAND, STOP_MOVE, MOVE = 1009, 1004, 1006, 1003, 1008
DAMP = 1001
FORWARD = '{"x": 0.3, "y": 0, "z": 0}'


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dog(clock: Clock) -> MockDog:
    return MockDog(clock=clock)


def on(dog: MockDog, fault: str, **parameters: object) -> None:
    dog.faults.command({"fault": fault, **parameters})


def off(dog: MockDog, fault: str) -> None:
    dog.faults.command({"fault": fault, "on": False})


def test_a_well_dog_obeys_answers_and_tells(dog, clock):
    assert dog.take("sport", SIT, "{}") == (0, "")
    clock.now += 2.0
    told = dog.told()
    assert told.sport == told.low == dog.state()
    assert dog.state().posture == "sitting"
    assert dog.delay_s() == 0.0


def test_a_fast_dog_lives_faster(clock):
    dog = MockDog(clock=clock, speed=4.0)
    dog.take("sport", SIT, "{}")
    clock.now += 0.4
    assert dog.state().posture == "sitting"
    assert dog.state().time_s == pytest.approx(1.6)


def test_slow_delays_what_arrives(dog, clock):
    on(dog, "slow", delay_s=2.0)
    assert dog.delay_s() == 2.0
    assert MockDog(clock=clock, speed=4.0).delay_s() == 0.0


def test_silent_neither_obeys_nor_answers_but_tells(dog, clock):
    on(dog, "silent")
    assert dog.take("sport", SIT, "{}") is None
    assert dog.tell_version("1") is None
    clock.now += 2.0
    assert dog.state().posture == "standing"
    assert dog.told().sport is not None
    assert [(call.name, call.code) for call in dog.calls()] == [("Sit", None)]


def test_a_silent_dog_stops_walking_by_itself(dog, clock):
    dog.take("sport", MOVE, FORWARD)
    on(dog, "silent")
    clock.now += 2.0
    assert not dog.state().moving


def test_dead_says_nothing_at_all(dog):
    on(dog, "dead")
    assert dog.take("sport", SIT, "{}") is None
    told = dog.told()
    assert (told.sport, told.low) == (None, None)
    assert dog.calls() == []
    off(dog, "dead")
    assert dog.take("sport", SIT, "{}") == (0, "")


def test_restarted_goes_away_and_comes_back_soft_with_a_new_clock(dog, clock):
    dog.take("sport", MOVE, FORWARD)
    clock.now += 5.0
    on(dog, "restarted", away_s=3.0)
    clock.now += 2.9
    assert dog.told().sport is None
    assert dog.take("sport", SIT, "{}") is None
    clock.now += 0.2
    assert dog.told().sport is not None
    state = dog.state()
    assert (state.posture, state.position_m[:2]) == ("damped", (0.0, 0.0))
    assert state.time_s < 0.5
    assert not dog.faults.describe()[3]["on"]
    dog.take("sport", STAND_UP, "{}")
    clock.now += 2.0
    assert dog.state().posture == "standing"


def test_rejecting_answers_its_code_and_does_not_obey(dog, clock):
    on(dog, "rejecting", code=4202)
    assert dog.take("sport", SIT, "{}") == (4202, "")
    on(dog, "rejecting", code=4202, api_ids=[SIT])
    assert dog.take("sport", SIT, "{}") == (4202, "")
    assert dog.take("sport", STOP_MOVE, "{}") == (0, "")
    clock.now += 2.0
    assert dog.state().posture == "standing"


def test_firmware_old_and_new(dog, clock):
    assert dog.take("sport", 1021, "{}") == (3203, "")
    on(dog, "old_firmware")
    assert dog.take("sport", 1021, "{}") == (0, "")
    clock.now += 2.5
    state = dog.state()
    assert state.doing == "Wallow"
    assert abs(state.rpy_rad[0]) > 2.5  # on its back
    clock.now += 3.5
    assert dog.state().doing is None
    assert dog.take("sport", 1011, "{}") == (3203, "")
    on(dog, "unsupported", api_ids=[1016])
    assert dog.take("sport", 1016, "{}") == (3203, "")


def test_battery_and_motor_are_told_and_come_back(dog):
    before = dog.state()
    on(dog, "low_battery", percent=7)
    on(dog, "hot_motor", celsius=88)
    state = dog.told().low
    assert state is not None
    assert (state.battery_percent, state.motor_temperature_c) == (7.0, 88.0)
    off(dog, "low_battery")
    off(dog, "hot_motor")
    assert dog.state() == before


def test_fallen_ends_motion_and_only_recovery_helps(dog, clock):
    dog.take("sport", 1022, "{}")
    clock.now += 1.0
    on(dog, "fallen")
    clock.now += 1.0
    state = dog.state()
    assert (state.posture, state.moving, state.progress) == ("fallen", False, 0.0)
    assert [entry["fault"] for entry in dog.faults.describe() if entry["on"]] == ["fallen"]
    assert abs(state.rpy_rad[0]) > 1.2
    for call in (SIT, STAND_UP, MOVE):
        dog.take("sport", call, FORWARD)
    clock.now += 2.0
    assert (dog.state().posture, dog.state().mode) == ("fallen", 0)
    dog.take("sport", RECOVERY_STAND, "{}")
    clock.now += 2.5
    state = dog.state()
    assert (state.posture, state.moving) == ("standing", False)
    assert abs(state.rpy_rad[0]) < 0.01
    assert not any(entry["on"] for entry in dog.faults.describe())
    on(dog, "fallen")
    off(dog, "fallen")
    assert dog.state().posture == "lying"


def test_a_fallen_dog_goes_soft_where_it_lies(dog, clock):
    on(dog, "fallen")
    clock.now += 1.0
    assert dog.take("sport", DAMP, "{}") == (0, "")
    clock.now += 1.0
    dog.take("sport", STAND_UP, "{}")
    clock.now += 2.0
    state = dog.state()
    assert (state.posture, state.mode, state.moving) == ("damped", 7, False)
    assert abs(state.rpy_rad[0]) > 1.2
    assert [entry["fault"] for entry in dog.faults.describe() if entry["on"]] == ["fallen"]
    dog.take("sport", RECOVERY_STAND, "{}")
    clock.now += 2.5
    assert dog.state().posture == "standing"
    assert not any(entry["on"] for entry in dog.faults.describe())


def test_a_fallen_dog_gone_soft_is_put_on_its_belly(dog, clock):
    on(dog, "fallen")
    dog.take("sport", DAMP, "{}")
    clock.now += 1.0
    off(dog, "fallen")
    clock.now += 1.0
    state = dog.state()
    assert state.posture == "lying"
    assert abs(state.rpy_rad[0]) < 0.01


def test_stale_state_repeats_one_message_or_says_none(dog, clock):
    on(dog, "stale_state")
    first = dog.told()
    dog.take("sport", SIT, "{}")
    clock.now += 2.0
    assert dog.told() == first
    assert dog.state().posture == "sitting"
    on(dog, "stale_state", repeat=False)
    assert dog.told().sport is None
    off(dog, "stale_state")
    assert dog.told().sport == dog.state()


def test_nan_state_tells_no_numbers_and_harms_nothing(dog):
    on(dog, "nan_state")
    told = dog.told()
    assert told.sport is not None
    assert all(math.isnan(value) for value in (*told.sport.rpy_rad, told.sport.body_height_m))
    assert dog.state().body_height_m == pytest.approx(0.32)


def test_unready_ignores_move_for_a_while_after_stand_up(clock):
    dog = MockDog(posture="lying", clock=clock)
    on(dog, "unready", seconds=3.0)
    dog.take("sport", STAND_UP, "{}")
    clock.now += 1.5
    dog.take("sport", 1002, "{}")
    clock.now += 0.5
    dog.take("sport", MOVE, FORWARD)
    clock.now += 0.5
    assert dog.state().position_m[0] == 0.0
    clock.now += 2.0
    dog.take("sport", MOVE, FORWARD)
    clock.now += 0.5
    assert dog.state().position_m[0] > 0.05


def test_no_speaker_lacks_the_audio_service_alone(dog):
    on(dog, "no_speaker")
    assert dog.take("audiohub", 4001, "{}") == (3203, "")
    assert dog.take("sport", STOP_MOVE, "{}") == (0, "")
