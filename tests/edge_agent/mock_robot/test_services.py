"""The mock's services beside sport, asked as the SDK's clients ask them."""

import base64
import json

import pytest

from edge_agent.mock_robot.dog import MockDog

SOUND = bytes(range(256)) * 64


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


def ask(dog: MockDog, service: str, api_id: int, **values: object) -> tuple[int, object]:
    reply = dog.take(service, api_id, json.dumps(values))
    assert reply is not None
    code, data = reply
    return code, json.loads(data) if data else None


def upload(dog: MockDog, sound: bytes, size: int = 4096) -> list[int]:
    text = base64.b64encode(sound).decode()
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    return [
        ask(
            dog,
            "audiohub",
            4003,
            current_block_size=len(block),
            block_content=block,
            current_block_index=number,
            total_block_number=len(blocks),
        )[0]
        for number, block in enumerate(blocks, 1)
    ]


def test_the_services_are_those_of_the_sdk(dog):
    assert {name: service.version for name, service in dog.services.items()} == {
        "motion_switcher": "1.0.0.1",
        "obstacles_avoid": "1.0.0.2",
        "vui": "1.0.0.1",
        "robot_state": "1.0.0.1",
        "audiohub": "1.0.0.1",
    }


def test_volume_and_brightness_are_kept_within_bounds(dog):
    assert ask(dog, "vui", 1003, volume=8) == (0, None)
    assert ask(dog, "vui", 1004) == (0, {"volume": 8})
    assert ask(dog, "vui", 1005, brightness=11) == (3204, None)
    assert ask(dog, "vui", 1006) == (0, {"brightness": 5})
    assert ask(dog, "vui", 1003) == (3204, None)
    assert ask(dog, "vui", 1002) == (0, {"enable": 1})


def test_a_released_motion_mode_takes_the_sport_service_away(dog):
    assert ask(dog, "motion_switcher", 1001) == (0, {"form": "0", "name": "normal"})
    assert ask(dog, "motion_switcher", 1003) == (0, None)
    assert ask(dog, "motion_switcher", 1001)[1] == {"form": "0", "name": ""}
    assert dog.take("sport", 1009, "{}") is None
    told = dog.told()
    assert told.sport is not None
    assert (told.sport.mode, told.sport.body_height_m, told.sport.rpy_rad) == (0, 0.0, (0, 0, 0))
    assert ask(dog, "motion_switcher", 1002, name="normal") == (0, None)
    assert dog.take("sport", 1009, "{}") == (0, "")


def test_the_sport_service_is_switched_off_and_on(dog):
    listed = ask(dog, "robot_state", 1003)[1]
    assert {"name": "sport_mode", "status": 1, "protect": False} in listed
    assert ask(dog, "robot_state", 1001, name="robot_state", switch=0)[1]["status"] == 5
    assert ask(dog, "robot_state", 1001, name="sport_mode", switch=0)[1]["status"] == 0
    assert dog.take("sport", 1003, "{}") is None
    assert ask(dog, "robot_state", 1001, name="sport_mode", switch=1)[1]["status"] == 1
    assert dog.take("sport", 1003, "{}") == (0, "")


def test_obstacle_avoidance_walks_only_where_it_was_switched_on(dog, clock):
    def walk() -> float:
        assert ask(dog, "obstacles_avoid", 1003, x=0.4, y=0.0, yaw=0.0, mode=0)[0] == 0
        clock.now += 0.9
        return dog.state().position_m[0]

    assert walk() == 0.0
    ask(dog, "obstacles_avoid", 1001, enable=True)
    assert ask(dog, "obstacles_avoid", 1002) == (0, {"enable": True})
    assert walk() == 0.0
    ask(dog, "obstacles_avoid", 1004, is_remote_commands_from_api=True)
    assert walk() > 0.25


def test_an_uploaded_sound_is_kept_whole(dog):
    assert ask(dog, "audiohub", 4001) == (0, None)
    assert set(upload(dog, SOUND)) == {0}
    assert ask(dog, "audiohub", 4002) == (0, None)
    assert dog.audio_uploads() == [SOUND]
    logged = dog.calls(service="audiohub")
    assert [call.name for call in logged][:2] == ["EnterMegaphone", "UploadMegaphone"]
    assert len(str(logged[1].parameter)) < 400
    assert dog.calls() == []  # the sport service was not asked


@pytest.mark.parametrize(
    "change",
    [
        {"current_block_size": 3},
        {"current_block_index": 2},
        {"current_block_index": 0},
        {"total_block_number": 0},
        {"block_content": "????"},
        {"block_content": None},
    ],
)
def test_a_wrong_block_is_refused(dog, change):
    block = {
        "current_block_size": 4,
        "block_content": "AAAA",
        "current_block_index": 1,
        "total_block_number": 1,
    }
    ask(dog, "audiohub", 4001)
    assert ask(dog, "audiohub", 4003, **{**block, **change})[0] == 3204
    assert ask(dog, "audiohub", 4003, **block)[0] == 0
    assert dog.audio_uploads() == [b"\0\0\0"]


def test_a_sound_outside_megaphone_mode_is_refused(dog):
    assert set(upload(dog, SOUND)) == {3204}
    assert dog.audio_uploads() == []


@pytest.mark.parametrize("parameter", ["[]", "{", "7"])
def test_what_is_no_object_is_refused(dog, parameter):
    assert dog.take("vui", 1003, parameter) == (3204, "")


def test_an_unknown_call_is_not_implemented(dog):
    assert dog.take("vui", 4711, "{}") == (3203, "")
    assert dog.calls(service=None)[-1].name == "unknown"
