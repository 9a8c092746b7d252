"""Recordings through the agent: outcomes, stops before all else, doubt, and an open microphone."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.agent import Agent
from edge_agent.gate import GatePolicy
from edge_agent.speech.attention import Attention
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Heard, Samples
from shared.errors import SpeechUnavailable

SECOND = np.zeros(16_000, np.float32)
LIMIT_S = 20


class Ears:
    """Hears what it is told to; `go_on` holds it while it listens."""

    name = "whisper"

    def __init__(self) -> None:
        self.says: list[Heard] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.listening = threading.Event()

    def open(self) -> None: ...

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.listening.set()
        assert self.go_on.wait(LIMIT_S)
        return self.says.pop(0)


class Voice:
    """A voice that spoke until `quiet_since`, or speaks still."""

    def __init__(self) -> None:
        self.speaking = False
        self.quiet_since = float("-inf")
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def bark(self) -> None: ...
    def hush(self) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None: ...


class Heart:
    """The parts of an agent with ears."""

    def __init__(self, parts: Any) -> None:
        self.ears = Ears()
        self.parts = parts
        self.agent: Agent = parts.agent
        self.agent._hearing = Hearing(self.ears)
        self.agent._attention = Attention(clock=parts.clock)

    async def hear(self, *says: str | Heard, **given: Any) -> Any:
        heard = [Heard(each, "en", 0.8) if isinstance(each, str) else each for each in says]
        self.ears.says += heard
        return await self.agent.hear(SECOND, **given)


Test = Callable[[Heart], Awaitable[None]]


@pytest.fixture
def run(make_parts: Any) -> Callable[..., None]:
    def run_test(test: Test, **given: Any) -> None:
        async def inside() -> None:
            heart = Heart(make_parts(**given))
            await heart.agent.start()
            try:
                await asyncio.wait_for(test(heart), LIMIT_S)
            finally:
                heart.ears.go_on.set()
                await heart.agent.close()

        asyncio.run(inside())

    return run_test


def test_a_recording_becomes_an_outcome_like_words(run: Any) -> None:
    async def test(heart: Heart) -> None:
        outcome = await heart.hear("please sit")
        assert (outcome.source, outcome.text, outcome.lang) == ("audio", "please sit", "en")
        assert (outcome.heard_probability, outcome.tag, outcome.route) == (0.8, "[Sit()]", "edge")
        assert outcome.execution.state == "confirmed"
        assert outcome.timings_ms.asr is not None

    run(test)


@pytest.mark.parametrize("reason", ["silence", "noise", "unsure", "other_language", "too_long"])
def test_where_nothing_was_understood_nothing_is_done(run: Any, reason: Any) -> None:
    async def test(heart: Heart) -> None:
        outcome = await heart.hear(Heard.nothing(reason))
        assert (outcome.route, outcome.tag, outcome.text) == ("none", None, "")
        assert (outcome.execution.state, outcome.execution.reason) == ("none", reason)
        assert (heart.parts.robot.performed, heart.parts.recognizer.asked) == ([], [])

    run(test)


def test_doubtful_words_count_only_as_a_stop(run: Any) -> None:
    async def test(heart: Heart) -> None:
        sit = await heart.hear(Heard("sit", "en", 0.3, doubt="unsure"))
        assert (sit.text, sit.route, sit.execution.reason) == ("", "none", "unsure")
        stop = await heart.hear(Heard("stop", "en", 0.3, doubt="other_language"))
        assert (stop.route, stop.execution.skill, heart.parts.robot.stops) == (
            "reflex",
            "StopMove",
            1,
        )
        assert heart.parts.robot.performed == []

    run(test)


@pytest.mark.parametrize("push_to_talk", [True, False])
def test_a_stop_is_heard_while_the_dog_moves(run: Any, push_to_talk: bool) -> None:
    async def test(heart: Heart) -> None:
        robot = heart.parts.robot
        robot.hold = True
        dancing = asyncio.create_task(heart.agent.handle("dance"))
        await robot.begun.wait()
        outcome = await heart.hear("oh no please stop that thing", push_to_talk=push_to_talk)
        assert (outcome.route, outcome.execution.skill) == ("reflex", "StopMove")
        assert (await dancing).execution.state == "preempted"

    run(test)


def test_it_counts_that_the_dog_moved_as_the_words_were_said(run: Any) -> None:
    async def test(heart: Heart) -> None:
        robot = heart.parts.robot
        robot.hold = True
        dancing = asyncio.create_task(heart.agent.handle("dance"))
        await robot.begun.wait()
        heart.ears.go_on.clear()
        hearing = asyncio.create_task(heart.hear("oh no please stop that thing"))
        while not heart.ears.listening.is_set():
            await asyncio.sleep(0)
        robot.release.set()
        await dancing
        heart.ears.go_on.set()
        assert (await hearing).execution.skill == "StopMove"

    run(test)


def test_what_was_said_before_a_stop_moves_nothing_after_it(run: Any) -> None:
    async def test(heart: Heart) -> None:
        heart.ears.go_on.clear()
        hearing = asyncio.create_task(heart.hear("sit"))
        while not heart.ears.listening.is_set():
            await asyncio.sleep(0)
        await heart.agent.stop()
        heart.ears.go_on.set()
        outcome = await hearing
        assert (outcome.execution.state, heart.parts.robot.performed) == ("preempted", [])

    run(test)


def test_an_open_microphone_needs_the_wake_phrase(run: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"

    async def test(heart: Heart) -> None:
        private = await heart.hear("we should sit", source="microphone", push_to_talk=False)
        assert (private.text, private.execution.reason) == ("", "not_addressed")
        meant = await heart.hear("hey dog, sit", source="microphone", push_to_talk=False)
        assert (meant.source, meant.execution.skill) == ("microphone", "Sit")

    run(test, journal=journal)
    assert (
        len(journal.read_text().splitlines()) == 1
    )  # what people say among themselves is not kept


def test_a_bare_wake_phrase_lets_the_next_words_count(run: Any) -> None:
    async def test(heart: Heart) -> None:
        open_microphone = {"source": "microphone", "push_to_talk": False}
        bare = await heart.hear("hey dog", **open_microphone)
        assert bare.execution.reason == "awaiting_command"
        assert (await heart.hear("sit", **open_microphone)).execution.skill == "Sit"
        after = await heart.hear("sit", **open_microphone)
        assert after.execution.reason == "not_addressed"

    run(test)


def test_a_spoken_yes_that_names_the_skill_needs_no_wake_phrase(run: Any) -> None:
    async def test(heart: Heart) -> None:
        asked = await heart.agent.handle("flip")
        assert asked.execution.state == "needs_confirmation"
        told = await heart.hear("yes, front flip", source="microphone", push_to_talk=False)
        assert told.execution.skill == "FrontFlip"

    run(test, policy=GatePolicy(allow_dangerous=True, confirm_dangerous=True))


def test_a_yes_is_not_made_by_mending(run: Any) -> None:
    async def test(heart: Heart) -> None:
        await heart.agent.handle("flip")
        told = await heart.hear(Heard("yes, front flip", "zh", 0.5, written="yes, fond flip"))
        assert told.execution.state == "needs_confirmation"
        assert heart.parts.robot.performed == []

    run(test, policy=GatePolicy(allow_dangerous=True, confirm_dangerous=True))


@pytest.mark.parametrize(
    ("meant", "written", "skill"),
    [
        ("please sit", "please fit", "Sit"),  # in place: what was meant is enough
        ("flip", "slip", None),
        ("flip", "now flip", "FrontFlip"),
        ("go limp", "go lamp", None),
        ("go limp", "limp go", "Damp"),
        ("stop", "stob", "StopMove"),
    ],
)
def test_no_jump_and_no_going_soft_by_sound_alone(
    run: Any, meant: str, written: str, skill: str | None
) -> None:
    async def test(heart: Heart) -> None:
        outcome = await heart.hear(Heard(meant, "zh", 0.5, written=written))
        assert (outcome.text, outcome.execution.skill) == (meant, skill)

    run(test, policy=GatePolicy(allow_dangerous=True, confirm_dangerous=False))


@pytest.mark.parametrize(("named", "done"), [("FrontFlip", []), ("Damp", []), ("Sit", ["Sit"])])
def test_no_jump_and_no_going_soft_for_mended_words_by_way_of_the_cloud(
    run: Any, named: str, done: list[str]
) -> None:
    async def test(heart: Heart) -> None:
        heart.parts.cloud.skills = [named]
        outcome = await heart.hear(Heard("do that thing", "zh", 0.5, written="do that sing"))
        refused = None if done else "name_not_heard"
        assert (outcome.route, outcome.execution.reason) == ("cloud", refused)
        assert (heart.parts.robot.performed, heart.parts.robot.damps) == (done, 0)

    run(test, policy=GatePolicy(allow_dangerous=True, confirm_dangerous=False, cloud_max_tier=3))


def test_the_same_recording_again_is_done_once(run: Any) -> None:
    async def test(heart: Heart) -> None:
        first = await heart.hear("sit", request_id="one")
        again = await heart.hear("sit", request_id="one")
        assert first.model_dump_json() == again.model_dump_json()
        assert heart.parts.robot.performed == ["Sit"]

    run(test)


def test_an_agent_without_ears_says_so(run: Any) -> None:
    async def test(heart: Heart) -> None:
        heart.agent._hearing = Hearing()
        with pytest.raises(SpeechUnavailable):
            await heart.agent.hear(SECOND)
        assert heart.agent.status.describe()["ears"]["ready"] is False
        assert (await heart.agent.handle("sit")).execution.skill == "Sit"

    run(test)


OPEN_MICROPHONE = {"source": "microphone", "push_to_talk": False}


def test_the_dog_does_not_obey_its_own_voice(run: Any) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("sit")  # its line is "Sitting down."
        voice.speaking = True
        own = await heart.hear("Sitting down.", **OPEN_MICROPHONE)
        assert (own.text, own.execution.reason) == ("", "own_voice")
        voice.speaking = False
        voice.quiet_since = heart.parts.clock.now - 0.5  # the recording's second began before that
        late = await heart.hear("sit down", **OPEN_MICROPHONE)
        assert late.execution.reason == "own_voice"
        voice.quiet_since = heart.parts.clock.now - 2.0
        other = await heart.hear("sit down", **OPEN_MICROPHONE)
        assert other.execution.reason == "not_addressed"
        assert heart.parts.robot.performed == ["Sit"]

    run(test, voice=voice)


def test_a_stop_word_in_what_is_said_to_a_speaking_dog_counts(run: Any) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("sit")
        voice.quiet_since = heart.parts.clock.now - 0.5
        outcome = await heart.hear("oh do stop talking now will you", **OPEN_MICROPHONE)
        assert (outcome.route, heart.parts.robot.stops) == ("reflex", 1)

    run(test, voice=voice)


def test_its_own_stopping_stops_it_only_once(run: Any) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("stop")  # its line is "Stopping!"
        voice.quiet_since = heart.parts.clock.now - 0.5
        own = await heart.hear("Stopping.", **OPEN_MICROPHONE)
        assert (own.execution.reason, heart.parts.robot.stops) == ("own_voice", 1)

    run(test, voice=voice)


@pytest.mark.parametrize(
    ("told", "echoes"),
    [("stop", ("Stop it.", "Stop in", "停下了。")), ("停下", ("停下啦", "停下来。", "Stopping."))],
)
def test_its_own_stopping_heard_wrongly_is_not_answered(
    run: Any, told: str, echoes: tuple[str, ...]
) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        line = (await heart.agent.handle(told)).say
        voice.quiet_since = heart.parts.clock.now - 0.5
        for number, echo in enumerate(echoes):
            outcome = await heart.hear(echo, **OPEN_MICROPHONE)
            assert (outcome.route, outcome.say, outcome.execution.state) == (
                "reflex",
                "",
                "confirmed",
            )
            assert heart.parts.robot.stops == 2 + number  # it may have been a person
        assert voice.said == [line]
        pressed = await heart.hear(told, source="microphone", push_to_talk=True)
        assert pressed.say
        assert voice.said == [line, pressed.say]

    run(test, voice=voice)


def test_a_stop_over_its_own_stopping_stops_a_moving_dog(run: Any) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("stop")
        voice.quiet_since = heart.parts.clock.now - 0.5
        heart.parts.robot.moving = True
        outcome = await heart.hear("Stop it!", **OPEN_MICROPHONE)
        assert (outcome.execution.skill, heart.parts.robot.stops) == ("StopMove", 2)

    run(test, voice=voice)


def test_that_a_stop_did_not_get_through_is_said_over_its_own_stopping(run: Any) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("stop")
        voice.quiet_since = heart.parts.clock.now - 0.5
        heart.parts.robot.stop_code = 3104
        failed = await heart.hear("stop it", **OPEN_MICROPHONE)
        assert failed.say == "The stop did not get through!"
        again = await heart.hear("The stop did not get true.", **OPEN_MICROPHONE)
        assert (again.say, heart.parts.robot.stops) == ("", 3)

    run(test, voice=voice)


@pytest.mark.parametrize("push_to_talk", [True, False])
def test_the_dogs_own_question_does_not_confirm_itself(
    run: Any, tmp_path: Path, push_to_talk: bool
) -> None:
    voice, journal = Voice(), tmp_path / "journal.jsonl"

    async def test(heart: Heart) -> None:
        asked = await heart.agent.handle("flip")
        assert asked.say.endswith("yes, front flip.")
        given = {"source": "microphone", "push_to_talk": push_to_talk}
        voice.speaking = True
        during = await heart.hear("Yes, front flip.", **given)
        voice.speaking, voice.quiet_since = False, heart.parts.clock.now - 0.5
        after = await heart.hear("Yes, front flip.", **given)
        assert {each.execution.reason for each in (during, after)} == {"own_voice"}
        assert heart.parts.robot.performed == []
        voice.quiet_since = heart.parts.clock.now - 2.0
        told = await heart.hear("Yes, front flip.", **given)
        assert told.execution.skill == "FrontFlip"

    run(test, voice=voice, policy=GatePolicy(allow_dangerous=True), journal=journal)
    # What was said with a button pressed is recorded, though it did not count.
    assert len(journal.read_text().splitlines()) == (4 if push_to_talk else 2)


@pytest.mark.parametrize("push_to_talk", [True, False])
def test_a_no_counts_while_the_dog_still_asks(run: Any, push_to_talk: bool) -> None:
    voice = Voice()

    async def test(heart: Heart) -> None:
        await heart.agent.handle("flip")
        voice.speaking = True
        told = await heart.hear("no", source="microphone", push_to_talk=push_to_talk)
        assert told.execution.reason == "confirmation_declined"

    run(test, voice=voice, policy=GatePolicy(allow_dangerous=True))
