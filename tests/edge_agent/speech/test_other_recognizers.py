"""SenseVoice with a stand-in for its library, and a Wyoming server that speaks the real protocol."""

import asyncio
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.settings import EdgeSettings
from edge_agent.speech.choice import choose_ears, choose_recognizer
from edge_agent.speech.recognizer import read_foreign_transcript
from edge_agent.speech.sense_voice import SenseVoiceRecognizer
from edge_agent.speech.wyoming_server import WyomingRecognizer
from shared.errors import SpeechUnavailable

SECOND = np.full(16_000, 0.5, np.float32)


@pytest.mark.parametrize(
    ("text", "code", "lang", "doubt"),
    [
        (" sit down ", "en", "en", None),
        ("坐下", "zh", "zh", None),
        ("坐低", "yue", "zh", None),
        ("坐下", None, "zh", None),
        ("sit", "", "en", None),
        ("sit", "en-US", "en", None),
        ("お座り", "zh", "other", "other_language"),
        ("앉아", "en", "other", "other_language"),
        ("сядь", None, "other", "other_language"),
        ("sitz", "de", "other", "other_language"),
    ],
)
def test_a_text_and_a_code_make_a_transcript(
    text: str, code: str | None, lang: str, doubt: str | None
) -> None:
    transcript = read_foreign_transcript(text, code)
    assert (transcript.text, transcript.lang, transcript.doubt) == (text.strip(), lang, doubt)
    assert transcript.probability is None


class PlayedSherpa:
    """sherpa_onnx's part that is used, and what it was given."""

    def __init__(self, text: str, lang: str) -> None:
        self.result = SimpleNamespace(text=text, lang=lang)
        self.given: dict[str, Any] = {}
        self.heard: list[Any] = []
        self.OfflineRecognizer = SimpleNamespace(from_sense_voice=self._make)

    def _make(self, **given: Any) -> Any:
        self.given = given
        return SimpleNamespace(create_stream=self._stream, decode_stream=lambda stream: None)

    def _stream(self) -> Any:
        return SimpleNamespace(
            accept_waveform=lambda rate, samples: self.heard.append((rate, len(samples))),
            result=self.result,
        )


def sense_voice_folder(folder: Path) -> Path:
    for name in ("model.int8.onnx", "tokens.txt"):
        (folder / name).write_bytes(b"x")
    return folder


def test_sense_voice_is_asked_for_what_is_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sherpa = PlayedSherpa("坐下", "<|zh|>")
    monkeypatch.setitem(sys.modules, "sherpa_onnx", sherpa)
    recognizer = SenseVoiceRecognizer(sense_voice_folder(tmp_path), 3, "zh")
    transcript = recognizer.transcribe(SECOND)
    assert (transcript.text, transcript.lang) == ("坐下", "zh")
    assert sherpa.heard == [(16_000, 16_000)]
    assert sherpa.given["language"] == "zh"
    assert sherpa.given["num_threads"] == 3
    assert sherpa.given["model"] == str(tmp_path / "model.int8.onnx")


def test_sense_voices_real_library_takes_what_it_is_given() -> None:
    sherpa = pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed")
    named = inspect.signature(sherpa.OfflineRecognizer.from_sense_voice).parameters
    assert {"model", "tokens", "num_threads", "language"} <= set(named)


def test_without_sherpa_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)
    with pytest.raises(SpeechUnavailable, match="speech-sensevoice"):
        SenseVoiceRecognizer().open()


class WyomingServer:
    """A real Wyoming server in a thread; it answers `text` and remembers what it got."""

    def __init__(self) -> None:
        self.text, self.language = "sit down", "en"
        self.received = 0
        self.asked: list[Any] = []
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(20)

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def serve() -> None:
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(serve())
        self._loop.run_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from wyoming.asr import Transcribe, Transcript
        from wyoming.audio import AudioChunk, AudioStop
        from wyoming.event import async_read_event, async_write_event

        while (event := await async_read_event(reader)) is not None:
            if Transcribe.is_type(event.type):
                self.asked.append(Transcribe.from_event(event).language)
            elif AudioChunk.is_type(event.type):
                self.received += len(AudioChunk.from_event(event).audio)
            elif AudioStop.is_type(event.type):
                answer = Transcript(text=self.text, language=self.language)
                await async_write_event(answer.event(), writer)
        writer.close()


@pytest.fixture
def server() -> Iterator[WyomingServer]:
    pytest.importorskip("wyoming", reason="wyoming is not installed")
    server = WyomingServer()
    server.start()
    yield server
    server.stop()


def test_a_wyoming_server_is_asked_over_its_protocol(server: WyomingServer) -> None:
    recognizer = WyomingRecognizer(f"tcp://127.0.0.1:{server.port}")
    recognizer.open()
    transcript = recognizer.transcribe(SECOND)
    assert (transcript.text, transcript.lang, transcript.doubt) == ("sit down", "en", None)
    assert (server.received, server.asked) == (32_000, [None])
    server.language = "fr"
    assert recognizer.transcribe(SECOND).doubt == "other_language"


def test_a_wyoming_server_that_is_away_says_so() -> None:
    pytest.importorskip("wyoming", reason="wyoming is not installed")
    with pytest.raises(SpeechUnavailable, match="EDGE_WYOMING_URI"):
        WyomingRecognizer("tcp://127.0.0.1:9").transcribe(SECOND)


@pytest.mark.parametrize("name", ["whisper", "sensevoice", "wyoming"])
def test_the_settings_choose_the_back_end(name: Any) -> None:
    settings = EdgeSettings(ears=name)
    chosen = choose_recognizer(settings)
    assert chosen is not None
    assert chosen.name == name
    ears = choose_ears(settings)
    assert ears is not None
    assert ears.name == name


def test_text_only_chooses_no_ears() -> None:
    assert choose_ears(EdgeSettings(ears="text")) is None


def test_prompts_are_settings() -> None:
    own = choose_recognizer(EdgeSettings(speech_prompt_en="Sit.", speech_prompt_zh="none"))
    assert dict(own._options.prompts) == {"en": "Sit.", "zh": ""}  # type: ignore[union-attr]
