"""The microphone's side: utterances are sent one by one, and a stop waits for no earlier one."""

import io
import threading
import wave
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.speech.endpointing import Endpointer, EndpointOptions
from edge_agent.speech.interface import Samples
from edge_agent.speech.listening import Listener, to_wav
from edge_agent.speech.microphone import Microphone, list_inputs
from edge_agent.speech.recording import decode_recording
from edge_agent.speech.voice_activity import FRAME
from shared.errors import Busy, RequestError, ShadowdogError, SpeechUnavailable
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


ONE_WITH_A_PAUSE = [0.9] * 20 + [0.0] * 8 + [0.9] * 20 + [0.0] * 30


def early_endpointer() -> Endpointer:
    return Endpointer(lambda frame: float(frame[0]), EndpointOptions(early_s=0.2))


def test_what_was_said_so_far_goes_ahead_in_every_pause() -> None:
    ahead: list[bytes] = []
    sent: list[bytes] = []
    gone_ahead = threading.Semaphore(0)

    def send(recording: bytes) -> Outcome:
        sent.append(recording)
        return outcome(1)

    def send_ahead(recording: bytes) -> None:
        ahead.append(recording)
        gone_ahead.release()

    listener = Listener(early_endpointer(), send, lambda _: None, send_ahead)

    def paced() -> Any:  # as long as a pause takes, the agent has what came before it
        for number, each in enumerate(frames(ONE_WITH_A_PAUSE)):
            if number == 40:
                assert gone_ahead.acquire(timeout=LIMIT_S)
                assert listener._ahead is not None
                listener._ahead.join(LIMIT_S)
            yield each

    listener.listen(paced())
    first, second = (decode_recording(each, "wav") for each in ahead)
    (whole,) = (decode_recording(each, "wav") for each in sent)
    assert len(first) < len(second) < len(whole)
    for so_far in (first, second):
        assert np.array_equal(whole[: len(so_far)], so_far)


def test_a_slow_agent_is_given_one_at_a_time() -> None:
    ahead: list[bytes] = []
    go_on = threading.Event()

    def send_ahead(recording: bytes) -> None:
        ahead.append(recording)
        assert go_on.wait(LIMIT_S)

    def send(recording: bytes) -> Outcome:  # the utterance does not wait for what went ahead
        go_on.set()
        return outcome(1)

    Listener(early_endpointer(), send, lambda _: None, send_ahead).listen(frames(ONE_WITH_A_PAUSE))
    assert len(ahead) == 1


def test_what_cannot_go_ahead_is_told_of_nobody_and_the_utterance_is_sent() -> None:
    told: list[Any] = []

    def refuse(recording: bytes) -> None:
        raise RequestError("an older agent has no such path")

    listener = Listener(early_endpointer(), lambda _: outcome(1), told.append, refuse)
    listener.listen(frames(ONE_WITH_A_PAUSE))
    assert [each.request_id for each in told] == ["1"]


def test_nothing_goes_ahead_where_nobody_takes_it() -> None:
    told: list[Any] = []
    Listener(early_endpointer(), lambda _: outcome(1), told.append).listen(frames(ONE_WITH_A_PAUSE))
    assert len(told) == 1


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
