"""Utterances out of a stream: pre-roll, silence, cuts, and the real network on real recordings."""

from collections.abc import Iterable

import numpy as np
import pytest

from edge_agent.speech.endpointing import Endpointer, EndpointOptions, frames_of
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.voice_activity import FRAME, FRAME_S, VoiceActivity
from tests.edge_agent.speech.conftest import all_recordings, noise


def frame(value: float) -> Samples:
    return np.full(FRAME, value, np.float32)


def utterances(values: Iterable[float], **options: float) -> list[Samples]:
    """Return what comes of frames whose value is their probability of speech."""
    endpointer = Endpointer(lambda each: float(each[0]), EndpointOptions(**options))
    found = [endpointer.take(frame(value)) for value in values]
    found.append(endpointer.finish())
    return [each for each in found if each is not None]


def test_an_utterance_begins_before_its_speech_and_ends_after_the_silence() -> None:
    silence_frames = int(np.ceil(0.5 / FRAME_S))
    (one,) = utterances([0.1] * 40 + [0.9] * 20 + [0.1] * 40)
    assert list(one[::FRAME]) == pytest.approx([0.1] * 9 + [0.9] * 20 + [0.1] * silence_frames)


def test_a_short_pause_is_no_end() -> None:
    (one,) = utterances([0.9] * 10 + [0.1] * 10 + [0.9] * 10 + [0.1] * 30)
    assert len(one) > 30 * FRAME


def test_a_wavering_voice_goes_on() -> None:
    (one,) = utterances([0.9] * 5 + [0.4] * 40 + [0.1] * 30)
    assert len(one) >= 45 * FRAME


def test_two_utterances_are_two() -> None:
    assert len(utterances(([0.9] * 10 + [0.1] * 30) * 2)) == 2


def test_endless_speech_is_cut_and_goes_on_as_another() -> None:
    parts = utterances([0.9] * 100, longest_s=1.0)
    assert [len(each) * 1.0 / SAMPLE_RATE_HZ <= 1.1 for each in parts] == [True] * len(parts)
    assert sum(len(each) for each in parts) >= 95 * FRAME


def test_a_click_is_no_utterance() -> None:
    assert utterances([0.1] * 10 + [0.9] * 2 + [0.1] * 40) == []


def pauses(values: Iterable[float], **options: float) -> list[tuple[int, Samples]]:
    """Return after which frame a pause was told of, and what was said so far."""
    endpointer = Endpointer(lambda each: float(each[0]), EndpointOptions(**options))
    found = []
    for number, value in enumerate(values, 1):
        endpointer.take(frame(value))
        so_far = endpointer.pause()
        if so_far is not None:
            found.append((number, so_far))
    return found


SPOKEN = [0.1] * 20 + [0.9] * 20


def test_a_pause_is_told_of_once_and_again_after_more_speech() -> None:
    values = [*SPOKEN, *[0.1] * 10, *[0.9] * 5, *[0.1] * 40]
    first, second = pauses(values, early_s=0.2)
    assert (first[0], second[0]) == (40 + 7, 40 + 10 + 5 + 7)  # 7 frames are the first above 0.2 s
    (whole,) = utterances(values)
    for _, so_far in (first, second):
        assert np.array_equal(whole[: len(so_far)], so_far)
        assert len(whole) > len(so_far)


@pytest.mark.parametrize("early_s", [0.0, 0.5, 0.6])
def test_no_pause_is_told_of_where_that_is_switched_off(early_s: float) -> None:
    assert pauses([*SPOKEN, *[0.1] * 40], early_s=early_s) == []


def test_neither_silence_nor_a_click_is_a_pause() -> None:
    assert pauses([0.1] * 60, early_s=0.2) == []
    assert pauses([*[0.1] * 10, 0.9, 0.9, *[0.1] * 40], early_s=0.2) == []


def test_noise_is_no_utterance() -> None:
    pytest.importorskip("silero_vad", reason="requirements/speech.txt is not installed")
    endpointer = Endpointer(VoiceActivity().probability)
    for kind in ("white", "brown"):
        for each in frames_of(0.1 * noise(kind, 5)):
            assert endpointer.take(each) is None
    assert not endpointer.speaking


def test_recordings_in_a_stream_are_found_one_by_one() -> None:
    pytest.importorskip("silero_vad", reason="requirements/speech.txt is not installed")
    spoken = [each.samples() for each in all_recordings() if each.label == "Sit"]
    stream = np.zeros(SAMPLE_RATE_HZ, np.float32)
    for samples in spoken:
        stream = np.concatenate([stream, samples, np.zeros(SAMPLE_RATE_HZ, np.float32)])
    stream = stream + 0.002 * noise("white", len(stream) / SAMPLE_RATE_HZ)[: len(stream)]
    endpointer = Endpointer(VoiceActivity().probability)
    found = [each for each in map(endpointer.take, frames_of(stream)) if each is not None]
    assert len(found) == len(spoken)
    for utterance, samples in zip(found, spoken, strict=True):
        assert abs(len(utterance) - len(samples)) < SAMPLE_RATE_HZ
