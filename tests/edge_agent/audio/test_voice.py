"""The voice: one line after the other, silence at once, a missing device told once."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.audio.sound import Absent, Sound
from edge_agent.audio.speaker import ComputerSpeaker
from edge_agent.audio.synthesizer import EspeakSynthesizer
from edge_agent.audio.voice import MAX_WAITING, RETRY_S, Voice
from shared.text import Language
from tests.edge_agent.audio.conftest import log_of

BOUND_S = 30.0


class Letters:
    """A synthesizer whose sounds tell the text: one sample a character, the code its value."""

    def __init__(self) -> None:
        self.languages: list[str] = []
        self.mute = False

    async def speak(self, text: str, language: Language) -> Sound | Absent:
        self.languages.append(language)
        return (
            Absent("no tongue")
            if self.mute
            else Sound(np.frombuffer(text.encode("utf-16le"), "<i2"), 100)
        )


class Ear:
    """An output that remembers what it was given; `hold` keeps it playing, `absent` refuses."""

    def __init__(self, name: str = "robot") -> None:
        self.name = name
        self.heard: list[str] = []
        self.cut_off: list[str] = []
        self.absent: Absent | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.begun = asyncio.Event()
        self.closed = False

    async def play(self, sound: Sound) -> Absent | None:
        if self.absent is not None:
            return self.absent
        text = "woof" if sound.rate_hz == 44_100 else sound.samples.tobytes().decode("utf-16le")
        self.begun.set()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cut_off.append(text)
            raise
        self.heard.append(text)
        return None

    async def close(self) -> None:
        self.closed = True


def live(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), BOUND_S))


async def settle(voice: Voice) -> None:
    while voice.speaking:
        await asyncio.sleep(0)


def test_lines_and_barks_are_said_in_order_in_their_language() -> None:
    async def work() -> None:
        letters, ear = Letters(), Ear()
        voice = Voice(letters, [ear])
        voice.say("Sitting down.")
        voice.bark()
        voice.say("坐好啦。")
        voice.say("   ")
        voice.say("You can say “你好” to greet someone.")
        assert voice.speaking
        await settle(voice)
        assert ear.heard[:3] == ["Sitting down.", "woof", "坐好啦。"]
        assert letters.languages == ["en", "zh", "en"]
        assert voice.describe() == {"through": "robot", "speaking": False, "missing": {}}

    live(work)


def test_it_knows_when_it_fell_silent() -> None:
    async def work() -> None:
        now = [5.0]
        ear = Ear()
        ear.hold.clear()
        voice = Voice(Letters(), [ear], clock=lambda: now[0])
        assert voice.quiet_since < 0
        voice.say("Sitting down.")
        await ear.begun.wait()
        now[0] = 8.0
        ear.hold.set()
        await settle(voice)
        await asyncio.sleep(0)  # the worker has ended, and its end is noted a turn later
        assert voice.quiet_since == 8.0

    live(work)


def test_hush_cuts_the_line_off_and_forgets_those_that_wait() -> None:
    async def work() -> None:
        ear = Ear()
        ear.hold.clear()
        voice = Voice(Letters(), [ear])
        voice.say("a long story")
        voice.say("and its end")
        await ear.begun.wait()
        voice.hush()
        assert not voice.speaking
        ear.hold.set()
        voice.say("Stopping!")
        await settle(voice)
        assert ear.cut_off == ["a long story"]
        assert ear.heard == ["Stopping!"]
        voice.hush()  # with nothing to cut off
        await voice.close()
        assert ear.closed

    live(work)


def test_what_waits_too_long_gives_way_to_what_is_newer() -> None:
    async def work() -> None:
        ear = Ear()
        ear.hold.clear()
        voice = Voice(Letters(), [ear])
        voice.say("first")
        await ear.begun.wait()
        for number in range(MAX_WAITING + 3):
            voice.say(str(number))
        ear.hold.set()
        await settle(voice)
        assert ear.heard == ["first", *(str(number) for number in range(3, MAX_WAITING + 3))]

    live(work)


def test_a_missing_device_is_told_once_and_the_next_one_takes_over(caplog: Any) -> None:
    async def work() -> None:
        now = [0.0]
        robot, speaker = Ear("robot"), Ear("speaker")
        robot.absent = Absent("a Go2 Air has none")
        voice = Voice(Letters(), [robot, speaker], clock=lambda: now[0])
        for text in ("one", "two"):
            voice.say(text)
            await settle(voice)
        assert speaker.heard == ["one", "two"]
        assert voice.describe()["through"] == "speaker"
        assert voice.describe()["missing"] == {"robot": "a Go2 Air has none"}
        assert len(caplog.records) == 1
        now[0] += RETRY_S
        voice.say("three")
        await settle(voice)
        assert len(caplog.records) == 1  # tried again, still missing, not told again
        robot.absent = None
        now[0] += RETRY_S
        voice.say("four")
        await settle(voice)
        assert robot.heard == ["four"]
        assert voice.describe()["missing"] == {}

    with caplog.at_level(logging.WARNING):
        live(work)


def test_without_a_synthesizer_it_still_barks(caplog: Any) -> None:
    async def work() -> None:
        letters, ear = Letters(), Ear()
        letters.mute = True
        voice = Voice(letters, [ear])
        voice.say("hello")
        voice.say("hello again")
        voice.bark()
        await settle(voice)
        assert ear.heard == ["woof"]
        assert letters.languages == ["en"]  # not asked again and again
        assert voice.describe()["missing"] == {"voice for en": "no tongue"}

    with caplog.at_level(logging.WARNING):
        live(work)
    assert len(caplog.records) == 1


def test_with_nothing_to_speak_through_a_line_is_only_text() -> None:
    async def work() -> None:
        letters = Letters()
        voice = Voice(letters)
        voice.say("hello")
        voice.bark()
        assert not voice.speaking
        assert voice.describe()["through"] == "text"
        assert letters.languages == []

    live(work)


def test_a_voice_that_breaks_takes_nobody_with_it(caplog: Any) -> None:
    class Broken(Letters):
        async def speak(self, text: str, language: Language) -> Sound | Absent:
            raise RuntimeError("cracked")

    async def work() -> None:
        ear = Ear()
        voice = Voice(Broken(), [ear])
        voice.say("hello")
        await settle(voice)
        voice.bark()
        await settle(voice)
        assert ear.heard == ["woof"]

    live(work)
    assert "cracked" in caplog.text


def test_espeak_and_a_player_together(espeak: Path, make_program: Any, tone: Sound) -> None:
    player = make_program("aplay", 'wc -c < "$2" >> "$0.log"')

    async def work() -> None:
        voice = Voice(EspeakSynthesizer(), [ComputerSpeaker()])
        voice.say("Sitting down.")
        voice.bark()
        await settle_slowly(voice)
        assert voice.describe()["missing"] == {}

    live(work)
    spoken, barked = (int(line) for line in log_of(player))
    assert spoken == len(tone.to_wav())
    assert barked > 40_000


@pytest.mark.parametrize("lines", [None, "echo 'audio open error' >&2; exit 1"])
def test_a_computer_without_a_speaker(espeak: Path, make_program: Any, lines: str | None) -> None:
    if lines:
        make_program("aplay", lines)

    async def work() -> None:
        voice = Voice(EspeakSynthesizer(), [ComputerSpeaker()])
        voice.say("hello")
        await settle_slowly(voice)
        expected = "audio open error" if lines else "alsa-utils"
        assert expected in voice.describe()["missing"]["speaker"]
        assert voice.describe()["through"] == "text"

    live(work)


@pytest.mark.parametrize("name", ["espeak-ng", "aplay"])
def test_hush_ends_the_program_that_speaks(
    espeak: Path, make_program: Any, programs: Path, name: str
) -> None:
    make_program("aplay", "exit 0")
    program = make_program(
        name, 'echo $$ > "$0.pid.part"; mv "$0.pid.part" "$0.pid"; exec sleep 600'
    )
    file = Path(f"{program}.pid")

    async def work() -> None:
        voice = Voice(EspeakSynthesizer(), [ComputerSpeaker()])
        voice.say("a long story")
        while not file.exists():
            await asyncio.sleep(0.01)
        assert voice.speaking
        await voice.close()
        assert not voice.speaking
        assert not Path(f"/proc/{file.read_text().strip()}").exists()

    live(work)


async def settle_slowly(voice: Voice) -> None:
    while voice.speaking:
        await asyncio.sleep(0.01)
