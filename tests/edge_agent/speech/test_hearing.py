"""The agent's hearing: one thread, ears that may be missing, and a bound on what waits."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from edge_agent.speech.hearing import MAX_WAITING, Hearing
from edge_agent.speech.interface import Heard, Samples, Wanted
from shared.errors import Busy, SpeechAbandoned, SpeechUnavailable

SAMPLES = np.zeros(1600, np.float32)
LIMIT_S = 20


class Ears:
    name = "whisper"

    def __init__(self, missing: str | None = None) -> None:
        self.missing = missing
        self.opened = 0
        self.threads: set[str] = set()
        self.understood: list[float] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.ahead: list[Samples] = []
        self.still_wanted: list[bool] = []
        self.early_error: Exception | None = None
        self.go_on_early = threading.Event()
        self.go_on_early.set()

    def open(self) -> None:
        self.opened += 1
        if self.missing:
            raise SpeechUnavailable(self.missing)

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.threads.add(threading.current_thread().name)
        self.understood.append(float(samples[0]))
        assert self.go_on.wait(LIMIT_S)
        return Heard("sit", "en", 0.9)

    def anticipate(self, samples: Samples, wanted: Wanted) -> None:
        self.ahead.append(samples)
        assert self.go_on_early.wait(LIMIT_S)
        self.still_wanted.append(wanted())
        if self.early_error:
            raise self.early_error


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


def test_ears_whose_files_are_broken_are_missing_ears(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Ears):
        def open(self) -> None:
            raise Exception("expected value at line 1 column 1")  # as tokenizers says it

    async def test() -> None:
        hearing = Hearing(Broken())
        with pytest.raises(SpeechUnavailable, match=r"expected value.*edge-agent doctor"):
            await hearing.understand(SAMPLES, push_to_talk=True)
        assert not hearing.is_free
        assert "expected value" in hearing.describe()["missing"]

    run(test)
    assert "expected value" in caplog.text


def test_without_ears_a_recording_is_refused() -> None:
    async def test() -> None:
        with pytest.raises(SpeechUnavailable, match="EDGE_EARS"):
            await Hearing().understand(SAMPLES, push_to_talk=True)
        assert Hearing().describe()["through"] is None

    run(test)


def test_of_too_many_recordings_the_oldest_that_has_not_begun_gives_way() -> None:
    async def test() -> None:
        ears = Ears()
        ears.go_on.clear()
        hearing = Hearing(ears)
        begun = asyncio.create_task(hearing.understand(SAMPLES, push_to_talk=True))
        while not ears.threads:
            await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(hearing.understand(SAMPLES + number, push_to_talk=True))
            for number in range(1, MAX_WAITING + 2)
        ]
        for refused in waiting[:2]:
            with pytest.raises(Busy):
                await refused
        assert not hearing.is_free
        ears.go_on.set()
        heard = await asyncio.gather(begun, *waiting[2:])
        assert {each.text for each in heard} == {"sit"}
        assert ears.understood == [0, 3, 4, 5]
        assert hearing.is_free

    run(test)


def test_a_recording_that_nobody_waits_for_is_not_understood() -> None:
    async def test() -> None:
        ears = Ears()
        ears.go_on.clear()
        hearing = Hearing(ears)
        begun = asyncio.create_task(hearing.understand(SAMPLES, push_to_talk=True))
        while not ears.threads:
            await asyncio.sleep(0)
        given_up = asyncio.create_task(hearing.understand(SAMPLES + 1, push_to_talk=True))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        ears.go_on.set()
        await begun
        await hearing.understand(SAMPLES + 2, push_to_talk=True)
        assert ears.understood == [0, 2]

    run(test)


def test_a_long_recording_is_not_even_given_to_the_ears() -> None:
    async def test() -> None:
        ears = Ears()
        heard = await Hearing(ears).understand(np.zeros(16 * 16_000, np.float32), push_to_talk=True)
        assert (heard.reason, ears.threads) == ("too_long", set())

    run(test)


WHOLE = np.arange(3200, dtype=np.float32)
SO_FAR = WHOLE[:2000]


async def opened(ears: Ears) -> Hearing:
    hearing = Hearing(ears)
    await hearing.understand(SAMPLES, push_to_talk=True)
    return hearing


async def begun(ears: Ears, count: int) -> None:
    while len(ears.ahead) < count:
        await asyncio.sleep(0)


def test_an_early_run_that_is_of_use_goes_on_and_the_recording_comes_after_it() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on_early.clear()
        assert hearing.anticipate(SO_FAR)
        await begun(ears, 1)
        understanding = asyncio.create_task(hearing.understand(WHOLE, push_to_talk=True))
        await asyncio.sleep(0)
        ears.go_on_early.set()
        assert (await understanding).text == "sit"
        assert ears.still_wanted == [True]
        assert len(ears.threads) == 1

    run(test)


def test_an_early_run_makes_way_for_another_recording() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on_early.clear()
        hearing.anticipate(SO_FAR)
        await begun(ears, 1)
        understanding = asyncio.create_task(hearing.understand(WHOLE + 1, push_to_talk=True))
        await asyncio.sleep(0)
        ears.go_on_early.set()
        await understanding
        assert ears.still_wanted == [False]

    run(test)


def test_a_later_early_run_takes_the_place_of_an_earlier_one() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on_early.clear()
        for end in (1000, 1500, 2000):
            assert hearing.anticipate(WHOLE[:end])
            await begun(ears, 1)
        ears.go_on_early.set()
        await begun(ears, 2)
        await hearing.understand(WHOLE, push_to_talk=True)
        assert [len(each) for each in ears.ahead] == [1000, 2000]  # the middle one never began
        assert ears.still_wanted == [False, True]

    run(test)


def test_an_early_run_that_has_not_begun_is_left_out() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on_early.clear()
        hearing.anticipate(WHOLE[:1000])
        await begun(ears, 1)
        hearing.anticipate(SO_FAR)
        understanding = asyncio.create_task(hearing.understand(WHOLE, push_to_talk=True))
        await asyncio.sleep(0)
        ears.go_on_early.set()
        assert (await understanding).text == "sit"
        assert [len(each) for each in ears.ahead] == [1000]

    run(test)


def test_nothing_early_begins_beside_a_whole_recording() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on.clear()
        understanding = asyncio.create_task(hearing.understand(WHOLE, push_to_talk=True))
        await asyncio.sleep(0)
        assert not hearing.anticipate(SO_FAR)
        ears.go_on.set()
        await understanding
        assert ears.ahead == []

    run(test)


@pytest.mark.parametrize("error", [SpeechUnavailable("away"), RuntimeError("broken")])
def test_what_goes_wrong_early_is_logged_and_the_recording_understood(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.early_error = error
        assert hearing.anticipate(SO_FAR)
        await begun(ears, 1)
        assert (await hearing.understand(WHOLE, push_to_talk=True)).text == "sit"

    with caplog.at_level(logging.WARNING):
        run(test)
    assert str(error) in caplog.text


def test_giving_up_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.early_error = SpeechAbandoned("no longer")
        hearing.anticipate(SO_FAR)
        await begun(ears, 1)
        await hearing.understand(WHOLE + 1, push_to_talk=True)

    with caplog.at_level(logging.WARNING):
        run(test)
    assert caplog.text == ""


def test_closed_unready_or_missing_ears_begin_nothing_early() -> None:
    async def test() -> None:
        assert not Hearing().anticipate(SO_FAR)
        assert not Hearing(Ears()).anticipate(SO_FAR)
        missing = Hearing(Ears("install it"))
        with pytest.raises(SpeechUnavailable):
            await missing.understand(SAMPLES, push_to_talk=True)
        assert not missing.anticipate(SO_FAR)
        ears = Ears()
        hearing = await opened(ears)
        assert not hearing.anticipate(np.zeros(16 * 16_000, np.float32))
        ears.go_on_early.clear()
        hearing.anticipate(SO_FAR)
        await begun(ears, 1)
        hearing.close()
        ears.go_on_early.set()
        while not ears.still_wanted:
            await asyncio.sleep(0)
        assert ears.still_wanted == [False]

    run(test)
