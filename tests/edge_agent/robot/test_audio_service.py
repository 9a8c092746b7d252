"""The dog's loudspeaker over DDS: what was said arrives whole, a dog without one is no error."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_agent.audio.bark import make_bark
from edge_agent.audio.sound import Absent, Sound, read_wav
from edge_agent.robot.audio_service import BLOCK_CHARACTERS, RobotSpeaker, upload_blocks
from tests.edge_agent.robot.conftest import BOUND_S, MockProcess


@pytest.fixture(scope="module")
def mock(dds_domain: int) -> Iterator[MockProcess]:
    mock = MockProcess(dds_domain)
    try:
        yield mock
    finally:
        mock.end()


@pytest.fixture
def sound() -> Sound:
    samples = (9000 * np.sin(np.arange(4410) / 7)).astype(np.int16)
    return Sound(samples, 22_050)


def test_blocks_bring_the_whole_file_and_count_from_one() -> None:
    wav = make_bark().to_wav()
    blocks = upload_blocks(wav)
    assert base64.b64decode("".join(block["block_content"] for block in blocks)) == wav
    assert [block["current_block_index"] for block in blocks] == list(range(1, len(blocks) + 1))
    assert {block["total_block_number"] for block in blocks} == {len(blocks)}
    assert all(
        block["current_block_size"] == len(block["block_content"]) <= BLOCK_CHARACTERS
        for block in blocks
    )


def test_a_sound_reaches_the_dogs_loudspeaker(
    mock: MockProcess, dds_domain: int, sound: Sound
) -> None:
    before = mock.get("v1/sounds")["total"]

    async def work() -> None:
        speaker = RobotSpeaker(dds_domain, "lo")
        assert await speaker.play(sound) is None
        await speaker.close()

    asyncio.run(asyncio.wait_for(work(), BOUND_S))
    assert mock.get("v1/sounds") == {"total": before + 1, "open": False}
    heard = read_wav(fetch(mock, f"v1/sounds/{before + 1}"))
    assert heard.rate_hz == 44_100
    assert np.array_equal(heard.samples, sound.at_rate(44_100).samples)
    calls = [call["name"] for call in mock.get("v1/calls?service=audiohub")["calls"]]
    assert calls[0] == "EnterMegaphone"
    assert calls[-1] == "ExitMegaphone"


def test_falling_silent_closes_the_megaphone(mock: MockProcess, dds_domain: int) -> None:
    long = Sound(np.ones(44_100 * 60, np.int16), 44_100)

    async def work() -> None:
        speaker = RobotSpeaker(dds_domain, "lo")
        playing = asyncio.ensure_future(speaker.play(long))
        while not await asyncio.to_thread(lambda: mock.get("v1/sounds")["open"]):
            assert not playing.done()
        playing.cancel()
        await asyncio.wait({playing})
        assert playing.cancelled()
        assert not mock.get("v1/sounds")["open"]
        await speaker.close()

    asyncio.run(asyncio.wait_for(work(), BOUND_S))


@pytest.mark.parametrize(("fault", "told"), [("no_speaker", "3203"), ("silent", "3104")])
def test_a_dog_that_does_not_take_sounds(
    mock: MockProcess, dds_domain: int, sound: Sound, fault: str, told: str
) -> None:
    async def work() -> None:
        speaker = RobotSpeaker(dds_domain, "lo")
        absent = await speaker.play(sound)
        assert isinstance(absent, Absent)
        assert told in absent.reason
        await speaker.close()

    post(mock, {"fault": fault, "on": True})
    try:
        asyncio.run(asyncio.wait_for(work(), BOUND_S))
    finally:
        post(mock, {"fault": fault, "on": False})


def test_another_domain_in_the_same_process_is_a_reason(dds_domain: int, sound: Sound) -> None:
    speaker = RobotSpeaker((dds_domain + 1) % 200, "lo")
    absent = asyncio.run(speaker.play(sound))
    assert isinstance(absent, Absent)


def fetch(mock: MockProcess, path: str) -> bytes:
    with urllib.request.urlopen(mock.address + path, timeout=BOUND_S) as answer:
        data: bytes = answer.read()
    return data


def post(mock: MockProcess, wish: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{mock.address}faults",
        json.dumps(wish).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=BOUND_S).close()
