"""The agent's hearing: one thread, ears that may be missing, and a bound on what waits."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from edge_agent.speech.hearing import MAX_WAITING, Hearing
from edge_agent.speech.interface import Heard, Samples
from shared.errors import Busy, SpeechUnavailable

SAMPLES = np.zeros(1600, np.float32)
LIMIT_S = 20


class Ears:
    name = "whisper"

    def __init__(self, missing: str | None = None) -> None:
        self.missing = missing
        self.opened = 0
        self.threads: set[str] = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None:
        self.opened += 1
        if self.missing:
            raise SpeechUnavailable(self.missing)

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.threads.add(threading.current_thread().name)
        assert self.go_on.wait(LIMIT_S)
        return Heard("sit", "en", 0.9)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), LIMIT_S))


def test_recordings_are_understood_in_one_thread_of_its_own() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = Hearing(ears)
        hearing.start()
        results = [hearing.understand(SAMPLES, push_to_talk=True) for _ in range(MAX_WAITING)]
        assert {each.text for each in await asyncio.gather(*results)} == {"sit"}
        assert (ears.opened, len(ears.threads)) == (1, 1)
        assert hearing.describe() == {"through": "whisper", "ready": True, "missing": None}
        hearing.close()

    run(test)


def test_missing_ears_are_told_and_hinder_nothing_else() -> None:
    async def test() -> None:
        hearing = Hearing(Ears("install it"))
        with pytest.raises(SpeechUnavailable, match="install it"):
            await hearing.understand(SAMPLES, push_to_talk=True)
        described = hearing.describe()
        assert described == {"through": "whisper", "ready": False, "missing": "install it"}

    run(test)


def test_without_ears_a_recording_is_refused() -> None:
    async def test() -> None:
        with pytest.raises(SpeechUnavailable, match="EDGE_EARS"):
            await Hearing().understand(SAMPLES, push_to_talk=True)
        assert Hearing().describe()["through"] is None

    run(test)


def test_too_many_recordings_are_refused_and_those_before_are_not() -> None:
    async def test() -> None:
        ears = Ears()
        ears.go_on.clear()
        hearing = Hearing(ears)
        waiting = [
            asyncio.create_task(hearing.understand(SAMPLES, push_to_talk=True))
            for _ in range(MAX_WAITING)
        ]
        while not ears.threads:
            await asyncio.sleep(0)
        with pytest.raises(Busy):
            await hearing.understand(SAMPLES, push_to_talk=True)
        ears.go_on.set()
        assert len(await asyncio.gather(*waiting)) == MAX_WAITING

    run(test)


def test_a_long_recording_is_not_even_given_to_the_ears() -> None:
    async def test() -> None:
        ears = Ears()
        heard = await Hearing(ears).understand(np.zeros(16 * 16_000, np.float32), push_to_talk=True)
        assert (heard.reason, ears.threads) == ("too_long", set())

    run(test)
