"""The microphone's side: utterances are sent one by one, and a stop waits for no earlier one."""

import io
import threading
import wave
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.speech.endpointing import Endpointer
from edge_agent.speech.interface import Samples
from edge_agent.speech.listening import Listener, to_wav
from edge_agent.speech.microphone import Microphone, list_inputs
from edge_agent.speech.voice_activity import FRAME
from shared.errors import Busy, ShadowdogError, SpeechUnavailable
from shared.outcome import Outcome, now_rfc3339

LIMIT_S = 20
TWO_UTTERANCES = [0.9] * 20 + [0.0] * 30 + [0.9] * 20 + [0.0] * 30


def frames(values: list[float]) -> list[Samples]:
    return [np.full(FRAME, value, np.float32) for value in values]


def outcome(number: int) -> Outcome:
    return Outcome(
        request_id=str(number),
        time=now_rfc3339(),
        source="microphone",
        text="sit",
        lang="en",
        route="edge",
        tag="[Sit()]",
    )


def endpointer() -> Endpointer:
    return Endpointer(lambda frame: float(frame[0]))


def test_each_utterance_is_sent_as_a_wav_and_its_outcome_told() -> None:
    sent: list[bytes] = []
    told: list[Any] = []

    def send(recording: bytes) -> Outcome:
        sent.append(recording)
        return outcome(len(sent))

    Listener(endpointer(), send, told.append).listen(frames(TWO_UTTERANCES))
    assert len(sent) == len(told) == 2
    with wave.open(io.BytesIO(sent[0])) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (
            16000,
            1,
            2,
        )
        assert reader.getnframes() >= 20 * FRAME


def test_a_later_utterance_does_not_wait_for_an_earlier_one() -> None:
    second_sent, told = threading.Event(), []
    count = iter(range(2))

    def send(recording: bytes) -> Outcome:
        number = next(count)
        if number == 0:
            assert second_sent.wait(LIMIT_S)
        else:
            second_sent.set()
        return outcome(number)

    Listener(endpointer(), send, lambda came: told.append(came)).listen(frames(TWO_UTTERANCES))
    assert {each.request_id for each in told} == {"0", "1"}


def test_a_refusal_is_told_and_the_listening_goes_on() -> None:
    told: list[Outcome | ShadowdogError] = []

    def send(recording: bytes) -> Outcome:
        raise Busy("too many")

    Listener(endpointer(), send, told.append).listen(frames(TWO_UTTERANCES))
    assert [type(each) for each in told] == [Busy, Busy]


def test_one_utterance_can_be_taken() -> None:
    told: list[Any] = []
    stream = iter(frames(TWO_UTTERANCES))
    Listener(endpointer(), lambda _: outcome(1), told.append).take_one(stream)
    assert len(told) == 1
    assert len(list(stream)) > 40  # the rest was left alone


def test_a_wav_does_not_wrap_around() -> None:
    with wave.open(io.BytesIO(to_wav(np.array([2.0, -2.0, 0.0], np.float32)))) as reader:
        assert np.frombuffer(reader.readframes(3), "<i2").tolist() == [32767, -32767, 0]


class PlayedSound:
    """sounddevice with a stream that gives `blocks`, or refuses to open."""

    class PortAudioError(Exception): ...

    def __init__(self, blocks: int = 3, refuses: bool = False) -> None:
        self.blocks, self.refuses = blocks, refuses
        self.given: dict[str, Any] = {}
        self.closed = 0

    def InputStream(self, **given: Any) -> Any:
        if self.refuses:
            raise self.PortAudioError("Invalid device")
        self.given = given

        def start() -> None:
            for number in range(self.blocks):
                given["callback"](np.full((FRAME, 1), number, np.float32), FRAME, None, None)

        def close() -> None:
            self.closed += 1

        return SimpleNamespace(start=start, close=close)

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": "speaker", "max_input_channels": 0},
            {"name": "USB microphone", "max_input_channels": 1},
        ]


def test_a_microphone_gives_frames_in_order() -> None:
    sound = PlayedSound()
    with Microphone("2", sound) as microphone:
        stream = microphone.frames()
        assert [float(next(stream)[0]) for _ in range(3)] == [0, 1, 2]
    assert (sound.given["samplerate"], sound.given["device"], sound.closed) == (16000, 2, 1)


def test_a_slow_reader_loses_the_oldest_sound() -> None:
    with Microphone(None, PlayedSound(blocks=2000)) as microphone:
        assert float(next(microphone.frames())[0]) > 1000
        microphone.flush()
        assert microphone._frames.empty()


def test_a_missing_microphone_says_what_to_do() -> None:
    with (
        pytest.raises(SpeechUnavailable, match="--devices"),
        Microphone("7", PlayedSound(refuses=True)),
    ):
        pass


def test_inputs_are_listed() -> None:
    assert list_inputs(PlayedSound()) == [(1, "USB microphone")]
