"""What the agent says aloud and when: beside the motion, once, and never past a stop."""

import asyncio
from typing import Any

import pytest

from edge_agent.gate import GatePolicy
from shared.errors import CloudUnreachable
from shared.outcome import Call

TIME_LIMIT_S = 20.0


class FakeVoice:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.hushed = 0
        self.speaking = False
        self.closed = False

    def say(self, text: str) -> None:
        self.said.append(text)

    def bark(self) -> None:
        self.said.append("(bark)")

    def hush(self) -> None:
        self.hushed += 1
        self.speaking = False

    def describe(self) -> dict[str, Any]:
        return {"through": "text", "speaking": self.speaking, "missing": {}}

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, TIME_LIMIT_S))


def test_the_line_starts_while_the_dog_moves_and_is_said_once(
    make_parts: Any, voice: FakeVoice
) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        parts.robot.hold = True
        sitting = asyncio.ensure_future(parts.agent.handle("sit"))
        await parts.robot.begun.wait()
        assert voice.said == ["Sitting down."]
        parts.robot.release.set()
        assert (await sitting).execution.state == "confirmed"
        assert voice.said == ["Sitting down."]

    run(test())


def test_the_line_is_in_the_speakers_language(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        await make_parts(voice=voice).agent.handle("坐下")
        assert voice.said == ["我坐下啦。"]

    run(test())


def test_a_bark_is_a_sound_in_the_lines_place(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        parts.recognizer.knows["bark"] = "Bark"
        outcome = await parts.agent.handle("bark")
        assert outcome.say == "Woof, woof!"
        assert voice.said == ["(bark)"]

    run(test())


def test_a_skill_that_fails_is_told_after_its_line(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        parts.robot.result = {"state": "failed", "reason": "not_confirmed"}
        await parts.agent.handle("sit")
        assert voice.said == ["Sitting down.", "I tried, but it did not work."]

    run(test())


def test_a_refusal_and_a_question_and_an_answer_are_said(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(GatePolicy(allow_dangerous=True), voice=voice)
        asked = await parts.agent.handle("flip")
        assert voice.said == [asked.say]
        await parts.agent.confirm(asked.request_id, True)
        assert len(voice.said) == 2
        await parts.agent.handle("what is the weather")
        assert voice.said[2:] == ["It is sunny."]
        parts.cloud.error = CloudUnreachable("no connection")
        await parts.agent.handle("what is the weather")
        assert "cloud" in voice.said[3]

    run(test())


def test_a_stop_falls_silent_before_it_says_its_own_line(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        parts.robot.hold = True
        sitting = asyncio.ensure_future(parts.agent.handle("sit"))
        await parts.robot.begun.wait()
        outcome = await parts.agent.handle("stop")
        assert voice.hushed == 1
        assert voice.said == ["Sitting down.", outcome.say]
        assert (await sitting).execution.state == "preempted"
        assert voice.said == ["Sitting down.", outcome.say]

    run(test())


@pytest.mark.parametrize("level", ["stop", "damp"])
def test_the_stop_button_falls_silent_even_where_the_robot_hangs(
    make_parts: Any, voice: FakeVoice, level: str
) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        hanging = asyncio.Event()

        async def hang() -> list[Call]:
            await hanging.wait()
            return []

        parts.robot.stop = parts.robot.damp = hang
        stopping = asyncio.ensure_future(parts.agent.stop(level))
        await asyncio.sleep(0)
        assert voice.hushed == 1
        hanging.set()
        await stopping

    run(test())


def test_while_it_speaks_any_stop_word_counts(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        words = "why did the music stop"
        assert (await parts.agent.handle(words)).route != "reflex"
        voice.speaking = True
        assert (await parts.agent.handle(words)).route == "reflex"

    run(test())


def test_the_state_shows_the_voice_and_the_end_closes_it(make_parts: Any, voice: FakeVoice) -> None:
    async def test() -> None:
        parts = make_parts(voice=voice)
        assert parts.agent.status.describe()["voice"]["through"] == "text"
        assert make_parts().agent.status.describe()["voice"] is None
        await parts.agent.close()
        assert voice.closed

    run(test())
