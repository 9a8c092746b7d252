"""The shadow words a line while the dog moves: it is shown as it grows, and said once it is whole."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

TIME_LIMIT_S = 20  # only ends a test that hangs


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, TIME_LIMIT_S))


class HeldWriter:
    """Words a line in two pieces, the second once it is let go."""

    able = True

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def pieces(self, text: str, tag: str, language: str) -> Iterator[str]:
        yield "Taking"
        assert self.go_on.wait(TIME_LIMIT_S)
        yield " a seat."


class FakeVoice:
    speaking = False

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def hush(self) -> None: ...
    def describe(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None: ...


def test_the_dog_moves_before_its_line_is_worded(make_parts: Any) -> None:
    async def test() -> None:
        writer, voice = HeldWriter(), FakeVoice()
        parts = make_parts(writer=writer, voice=voice)
        parts.robot.hold = True
        asking = asyncio.create_task(parts.agent.handle("sit", "en"))
        await parts.robot.begun.wait()
        while (parts.agent.status.describe()["action"] or {}).get("say") != "Taking":
            await asyncio.sleep(0)
        assert voice.said == [], "half a line is not spoken"
        writer.go_on.set()
        while not voice.said:
            await asyncio.sleep(0)
        parts.robot.release.set()
        outcome = await asking
        assert outcome.say == "Taking a seat."
        assert outcome.execution.state == "confirmed"
        assert voice.said == ["Taking a seat."]

    run(test())


def test_a_line_that_ends_after_the_motion_is_still_the_outcomes(make_parts: Any) -> None:
    async def test() -> None:
        writer, voice = HeldWriter(), FakeVoice()
        parts = make_parts(writer=writer, voice=voice)
        asking = asyncio.create_task(parts.agent.handle("sit", "en"))
        while not parts.robot.performed or parts.agent.status.describe()["action"]:
            await asyncio.sleep(0)
        writer.go_on.set()
        assert (await asking).say == "Taking a seat."
        assert voice.said == ["Taking a seat."]

    run(test())


def test_a_refusal_says_why_and_not_the_line(make_parts: Any) -> None:
    async def test() -> None:
        writer = HeldWriter()
        writer.go_on.set()
        parts = make_parts(writer=writer)
        parts.robot.posture = "fallen"
        outcome = await parts.agent.handle("sit", "en")
        assert outcome.execution.state == "refused"
        assert outcome.say == "I have fallen. Tell me to recover first."

    run(test())
