"""Second ears: a thread of their own, one recording at a time, and nobody who needs them."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from edge_agent.settings import EdgeSettings
from edge_agent.speech.choice import choose_second_ears
from edge_agent.speech.interface import Heard, Samples
from edge_agent.speech.model_files import WHISPER_BASE, WHISPER_SMALL, find_model
from edge_agent.speech.second_hearing import SecondHearing
from edge_agent.speech.understanding import RecordingEars
from shared.errors import SpeechUnavailable

SAMPLES = np.zeros(1600, np.float32)
LIMIT_S = 20


class Ears:
    name = "whisper"

    def __init__(self, missing: str | None = None) -> None:
        self.missing = missing
        self.threads: set[str] = set()
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None:
        self.threads.add(threading.current_thread().name)
        if self.missing:
            raise SpeechUnavailable(self.missing)

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.threads.add(threading.current_thread().name)
        assert self.go_on.wait(LIMIT_S)
        if self.error:
            raise self.error
        return Heard("坐下", "zh", 0.9)

    def anticipate(self, samples: Samples, wanted: Callable[[], bool]) -> None:
        raise AssertionError("nothing is heard a second time before it is heard once")


async def opened(ears: Ears) -> SecondHearing:
    hearing = SecondHearing(ears)
    hearing.start()
    assert hearing._hearing._opening is not None
    await hearing._hearing._opening
    return hearing


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), LIMIT_S))


def test_it_has_a_thread_of_its_own() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        heard = await hearing.understand(SAMPLES)
        assert heard == Heard("坐下", "zh", 0.9)
        assert len(ears.threads) == 1
        assert threading.current_thread().name not in ears.threads
        assert hearing.describe() == {"through": "whisper", "ready": True, "missing": None}
        hearing.close()

    run(test)


def test_a_recording_does_not_wait_for_another() -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.go_on.clear()
        first = asyncio.create_task(hearing.understand(SAMPLES))
        await asyncio.sleep(0)
        assert await hearing.understand(SAMPLES) is None
        ears.go_on.set()
        assert await first is not None
        assert await hearing.understand(SAMPLES) is not None

    run(test)


def test_without_ears_or_before_they_are_open_nothing_is_heard() -> None:
    async def test() -> None:
        none = SecondHearing()
        none.start()
        assert await none.understand(SAMPLES) is None
        told = none.describe()
        assert told["through"] is None
        assert told["missing"].startswith("off; ")
        assert "EDGE_SECOND_EARS=whisper-small" in told["missing"]
        unopened = SecondHearing(Ears())
        assert await unopened.understand(SAMPLES) is None
        assert unopened.describe() == {"through": "whisper", "ready": False, "missing": None}

    run(test)


def test_what_is_missing_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        hearing = await opened(Ears("pull it"))
        assert await hearing.understand(SAMPLES) is None
        assert hearing.describe()["missing"] == "pull it"

    with caplog.at_level(logging.WARNING):
        run(test)
    assert "no recording is heard a second time: pull it" in caplog.text


@pytest.mark.parametrize("error", [SpeechUnavailable("no room"), RuntimeError("no room")])
def test_ears_that_fail_once_are_asked_the_next_time(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def test() -> None:
        ears = Ears()
        hearing = await opened(ears)
        ears.error = error
        assert await hearing.understand(SAMPLES) is None
        ears.error = None
        assert await hearing.understand(SAMPLES) is not None

    with caplog.at_level(logging.WARNING):
        run(test)
    assert "could not be heard again" in caplog.text
    assert "no room" in caplog.text


def test_the_settings_choose_them(tmp_path: Path) -> None:
    assert choose_second_ears(EdgeSettings()) is None
    assert choose_second_ears(EdgeSettings(second_ears="whisper-small", ears="text")) is None
    assert isinstance(choose_second_ears(EdgeSettings(second_ears="whisper-small")), RecordingEars)
    own = choose_second_ears(EdgeSettings(second_ears=tmp_path))
    assert own is not None
    with pytest.raises(SpeechUnavailable, match=f"{tmp_path} lacks .*EDGE_SECOND_EARS"):
        own.open()


def test_a_model_that_is_not_here_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path))
    with pytest.raises(SpeechUnavailable, match="pull whisper-small`, or set EDGE_SECOND_EARS"):
        find_model(WHISPER_SMALL)
    assert WHISPER_SMALL.files[2:] == WHISPER_BASE.files[2:]
