"""What would be deferred is heard again by second ears: it may act, stop, or go to the cloud in better words."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from edge_agent.gate import GatePolicy
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Heard, Samples
from edge_agent.speech.second_hearing import SecondHearing
from shared.errors import SpeechUnavailable

RECORDING = np.zeros(16_000, np.float32)
LIMIT_S = 20


class Ears:
    """Hears what it is told to; `go_on` holds it while it listens."""

    name = "whisper"

    def __init__(self) -> None:
        self.says = Heard("", "zh")
        self.missing: SpeechUnavailable | None = None
        self.asked = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.listening = threading.Event()

    def open(self) -> None:
        if self.missing:
            raise self.missing

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.asked += 1
        self.listening.set()
        assert self.go_on.wait(LIMIT_S)
        return self.says


class World:
    """An agent with first and second ears."""

    def __init__(self, parts: Any) -> None:
        self.first, self.second = Ears(), Ears()
        self.parts, self.agent = parts, parts.agent
        self.agent._hearing = Hearing(self.first)
        self.agent._second_hearing = SecondHearing(self.second)

    async def hear(self, first: Heard, second: Heard) -> Any:
        self.first.says, self.second.says = first, second
        await self.agent._second_hearing._hearing._opening
        return await self.agent.hear(RECORDING)


Test = Callable[[World], Awaitable[None]]
UNCLEAR = Heard("做夏", "zh", 0.5)


@pytest.fixture
def run(make_parts: Any) -> Callable[..., None]:
    def run_test(
        test: Test, prepare: Callable[[World], None] = lambda _: None, **given: Any
    ) -> None:
        async def inside() -> None:
            world = World(make_parts(**given))
            prepare(world)
            await world.agent.start()
            try:
                await asyncio.wait_for(test(world), LIMIT_S)
            finally:
                world.second.go_on.set()
                await world.agent.close()

        asyncio.run(inside())

    return run_test


def test_what_second_ears_hear_may_move_the_dog(run: Any) -> None:
    async def test(world: World) -> None:
        outcome = await world.hear(UNCLEAR, Heard("坐下", "zh", 0.8))
        assert (outcome.text, outcome.heard_probability) == ("坐下", 0.8)
        assert (outcome.route, outcome.tag, outcome.execution.skill) == ("edge", "[Sit()]", "Sit")
        assert world.parts.cloud.requests == []

    run(test)


@pytest.mark.parametrize(
    "first",
    [
        Heard("坐下", "zh", 0.8),
        Heard("what is the weather", "en", 0.8),
        Heard("再来一次", "zh", 0.8),
        Heard.nothing("noise"),
        Heard("做夏", "zh", 0.3, doubt="unsure"),
        Heard("停", "zh", 0.8),
    ],
)
def test_what_was_acted_on_doubted_english_or_means_again_is_heard_once(
    run: Any, first: Heard
) -> None:
    async def test(world: World) -> None:
        await world.hear(first, Heard("dance", "zh", 0.8))
        assert (world.second.asked, world.parts.robot.performed in ([], ["Sit"])) == (0, True)

    run(test)


def test_the_cloud_is_asked_in_the_better_words(run: Any) -> None:
    async def test(world: World) -> None:
        outcome = await world.hear(UNCLEAR, Heard("明天下雨吗", "zh", 0.8))
        assert (outcome.text, outcome.route) == ("明天下雨吗", "cloud")
        assert world.parts.cloud.requests[0].text == "明天下雨吗"

    run(test)


@pytest.mark.parametrize(
    "second",
    [Heard.nothing("unsure", "zh"), Heard("坐下", "zh", 0.2, doubt="unsure")],
)
def test_what_second_ears_doubt_changes_nothing(run: Any, second: Heard) -> None:
    async def test(world: World) -> None:
        outcome = await world.hear(UNCLEAR, second)
        assert (outcome.text, outcome.route, outcome.heard_probability) == ("做夏", "cloud", 0.5)
        assert world.parts.robot.performed == []

    run(test)


@pytest.mark.parametrize("doubt", [None, "unsure"])
def test_a_stop_counts_whichever_ears_hear_it(run: Any, doubt: Any) -> None:
    async def test(world: World) -> None:
        outcome = await world.hear(UNCLEAR, Heard("停下", "zh", 0.4, doubt=doubt))
        assert (outcome.route, outcome.execution.skill) == ("reflex", "StopMove")
        assert world.parts.robot.stops == 1

    run(test)


BOLD = GatePolicy(allow_dangerous=True, confirm_dangerous=False, cloud_max_tier=3)


@pytest.mark.parametrize(("words", "named"), [("flip", "FrontFlip"), ("limp", "Damp")])
@pytest.mark.parametrize("before", [[], ["Sit"]])
def test_second_ears_neither_jump_nor_go_soft_by_way_of_the_cloud_either(
    run: Any, words: str, named: str, before: list[str]
) -> None:
    async def test(world: World) -> None:
        world.parts.cloud.skills = [*before, named]
        outcome = await world.hear(UNCLEAR, Heard(words, "zh", 0.9))
        assert (outcome.tag, outcome.route) == ("[REMOTE]", "cloud")
        done = outcome.execution
        assert (done.state, done.reason, done.skill) == ("refused", "name_not_heard", named)
        assert [call.name for call in done.calls] == before
        assert outcome.say == "这个动作要你亲口说出名字，我才做。"
        assert (world.parts.robot.performed, world.parts.robot.damps) == (before, 0)

    run(test, policy=BOLD)


@pytest.mark.parametrize(
    ("second", "named"),
    [(Heard("歇一会儿", "zh", 0.9), "Sit"), (Heard.nothing("unsure", "zh"), "Damp")],
)
def test_what_may_be_guessed_or_was_heard_once_is_done_where_the_cloud_names_it(
    run: Any, second: Heard, named: str
) -> None:
    async def test(world: World) -> None:
        world.parts.cloud.skills = [named]
        outcome = await world.hear(UNCLEAR, second)
        assert (outcome.route, outcome.execution.skill) == ("cloud", named)
        assert world.parts.robot.performed == [named]

    run(test)


def test_a_stop_meanwhile_is_heard_at_once_and_nothing_moves_after_it(run: Any) -> None:
    async def test(world: World) -> None:
        world.second.go_on.clear()
        slow = asyncio.create_task(world.hear(UNCLEAR, Heard("坐下", "zh", 0.9)))
        while not world.second.listening.is_set():
            await asyncio.sleep(0)
        world.first.says = Heard("停", "zh", 0.9)
        stopped = await world.agent.hear(RECORDING)
        assert (stopped.execution.skill, slow.done()) == ("StopMove", False)
        world.second.go_on.set()
        assert (await slow).execution.state == "preempted"
        assert world.parts.robot.performed == []

    run(test)


@pytest.mark.parametrize(("second", "done"), [("坐下", ["Dance"]), ("停下", ["Dance", "StopMove"])])
def test_words_that_others_came_after_do_not_move_the_dog_but_may_stop_it(
    run: Any, second: str, done: list[str]
) -> None:
    async def test(world: World) -> None:
        world.second.go_on.clear()
        slow = asyncio.create_task(world.hear(UNCLEAR, Heard(second, "zh", 0.9)))
        while not world.second.listening.is_set():
            await asyncio.sleep(0)
        later = await world.agent.handle("dance")
        world.second.go_on.set()
        outcome = await slow
        skills = [each.execution.skill for each in (later, outcome) if each.execution.skill]
        assert (skills, world.parts.robot.performed) == (done, ["Dance"])

    run(test)


def test_a_stop_word_among_others_counts_while_the_dog_speaks(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        monkeypatch.setattr(type(world.agent._delivery), "speaking", property(lambda _: True))
        outcome = await world.hear(UNCLEAR, Heard("哎呀你给我停下来 坐下", "zh", 0.9))
        assert (outcome.route, outcome.execution.skill) == ("reflex", "StopMove")
        assert world.parts.robot.performed == []

    run(test)


def test_without_their_model_all_goes_on_as_without_second_ears(run: Any) -> None:
    async def test(world: World) -> None:
        outcome = await world.hear(UNCLEAR, Heard("坐下", "zh", 0.9))
        assert (outcome.route, world.second.asked) == ("cloud", 0)
        told = world.agent.status.describe()
        assert told["second_ears"]["missing"] == "pull it"

    def missing(world: World) -> None:
        world.second.missing = SpeechUnavailable("pull it")
        world.agent.status.second_hearing = world.agent._second_hearing

    run(test, missing)
