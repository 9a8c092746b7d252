"""Whisper: what makes its words doubtful, and the real model on the committed recordings."""

from pathlib import Path

import numpy as np
import pytest

from edge_agent import reflex
from edge_agent.speech import whisper
from edge_agent.speech.endpointing import Endpointer, EndpointOptions, frames_of
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.recognizer import always
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.voice_activity import VoiceActivity
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer, Writing, judge, mend_marks
from shared.errors import SpeechAbandoned, SpeechUnavailable
from tests.edge_agent.speech.conftest import Recording, all_recordings, mix

STOPS = [each for each in all_recordings() if each.label == "StopMove"]
LEAST_CLEAN, LEAST_AT_10_DB = 0.95, 0.85


@pytest.mark.parametrize(
    ("score", "no_speech", "share", "text", "doubt"),
    [
        (-0.2, 0.0, 0.9, "sit", None),
        (-0.8, 0.0, 0.9, "sit", None),
        (-0.8, 0.0, 0.5, "sit", "unsure"),
        (-0.2, 0.0, 0.01, "sit", "other_language"),  # it may yet be a short stop
        (-0.9, 0.0, 0.01, "", "other_language"),
        (-1.2, 0.0, 0.9, "sit", "unsure"),
        (-1.5, 0.0, 0.9, "", "unsure"),
        (-0.2, 0.9, 0.9, "sit", "unsure"),
    ],
)
def test_doubt(score: float, no_speech: float, share: float, text: str, doubt: str | None) -> None:
    judged = judge(Writing("sit", "en", score, no_speech), share)
    assert (judged.text, judged.doubt) == (text, doubt)


def test_a_text_that_was_cut_is_doubted_and_may_yet_be_a_stop() -> None:
    judged = judge(Writing("so much, stop", "en", -0.2, 0.0, is_cut=True), 0.9)
    assert (judged.text, judged.doubt) == ("so much, stop", "unsure")


def test_the_probability_is_the_tokens_mean() -> None:
    assert judge(Writing("sit", "en", -0.105, 0.0), 0.9).probability == pytest.approx(0.9, abs=1e-3)
    assert judge(Writing("sit", "en", 0.1, 0.0), 0.9).probability == 1.0


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="shadowdog[speech] is not installed")
    with pytest.raises(SpeechUnavailable, match="lacks"):
        WhisperRecognizer(WhisperOptions(tmp_path)).open()


def test_files_of_something_else_are_named(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="shadowdog[speech] is not installed")
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(SpeechUnavailable, match="no Whisper for CTranslate2"):
        WhisperRecognizer(WhisperOptions(tmp_path)).open()


@pytest.mark.parametrize(
    ("file", "words"), [("en-24-sit-slt.wav", "sit down"), ("zh-24-sit-jm-kumo.wav", "坐下")]
)
def test_both_languages_are_understood(real_ears: RecordingEars, file: str, words: str) -> None:
    recording = next(each for each in all_recordings() if each.file == file)
    heard = real_ears.understand(recording.samples())
    assert words in heard.text.lower()
    assert (heard.lang, heard.doubt, heard.reason) == (recording.lang, None, None)


@pytest.mark.parametrize("file", ["en-24-sit-slt.wav", "zh-24-sit-jm-kumo.wav"])
def test_early_words_are_those_of_the_whole(real_ears: RecordingEars, file: str) -> None:
    recording = next(each for each in all_recordings() if each.file == file)
    stream = mix(recording.samples(), "white", 30)
    endpointer = Endpointer(VoiceActivity().probability, EndpointOptions(early_s=0.2))
    whole = None
    for frame in frames_of(np.pad(stream, (0, 8_000))):
        whole = endpointer.take(frame)
        if whole is not None:
            break
        so_far = endpointer.pause()
        if so_far is not None:
            real_ears.anticipate(so_far, always)
    assert whole is not None
    assert real_ears._early is not None
    early = real_ears.understand(whole)
    assert early.text
    assert early == real_ears.understand(whole)  # the second time it is recognised as a whole


def test_what_nobody_wants_any_more_is_not_finished(real_ears: RecordingEars) -> None:
    asked = []

    def wanted() -> bool:
        asked.append(True)
        return len(asked) < 2

    samples = next(each for each in all_recordings() if each.label == "Sit").samples()
    with pytest.raises(SpeechAbandoned):
        real_ears._recognizer.transcribe(samples, wanted)
    assert len(asked) == 2  # after the encoder, and before the words


@pytest.mark.parametrize("recording", [each for each in all_recordings() if each.label == "other"])
def test_other_languages_are_not_believed(real_ears: RecordingEars, recording: Recording) -> None:
    heard = real_ears.understand(recording.samples())
    assert heard.reason or heard.doubt, heard
    assert not reflex.is_stop(heard.text, moving=False)


def recall(ears: RecordingEars, snr_db: float | None) -> float:
    missed = []
    for number, recording in enumerate(STOPS):
        samples = recording.samples()
        if snr_db is not None:
            samples = mix(samples, ("white", "brown")[number % 2], snr_db, number)
        heard = ears.understand(samples)
        if not reflex.is_stop(heard.text, moving=True):
            missed.append(f"{recording.file} {recording.text}: {heard}")
    print("\n".join(missed))
    return 1 - len(missed) / len(STOPS)


def speak_at_once(*numbers: int) -> Samples:
    """Return Chinese recordings as somebody would say them who never takes a breath."""
    gap = np.zeros(round(0.12 * SAMPLE_RATE_HZ), np.float32)
    pieces = []
    for number in numbers:
        file = next(each for each in all_recordings() if each.file.startswith(f"zh-{number:02d}"))
        samples = file.samples()
        spoken = np.flatnonzero(np.abs(samples) > 0.02)
        pieces += [samples[spoken[0] : spoken[-1]], gap]
    return np.concatenate(pieces)


def test_a_stop_at_the_end_of_a_long_recording_is_heard(real_ears: RecordingEars) -> None:
    long = speak_at_once(38, 25, 27, 29, 31, 33, 35, 37, 24, 39, 7)  # 13 s, 停下来 the last second
    heard = real_ears.understand(long)
    assert reflex.is_stop(heard.text, moving=True), heard
    assert heard.doubt is None


def test_a_recording_of_more_words_than_are_written_is_doubted(
    real_ears: RecordingEars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "MAX_TOKENS", 12)
    heard = real_ears.understand(speak_at_once(38, 25, 27))
    assert heard.doubt == "unsure", heard


def test_spoken_stops_are_heard(real_ears: RecordingEars) -> None:
    assert recall(real_ears, None) >= LEAST_CLEAN


@pytest.mark.slow
def test_spoken_stops_are_heard_in_noise(real_ears: RecordingEars) -> None:
    assert recall(real_ears, 10) >= LEAST_AT_10_DB


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("前面路口Ｇ是左转Ｇ還是直走Ｇ", "前面路口，是左转，還是直走"),
        ("小狗１华尔兹１三个字怎么写?", "小狗，华尔兹，三个字怎么写?"),
        ("坐下\ufffd", "坐下"),
        ("坐下＂", "坐下"),
        ("坐下，停！", "坐下，停！"),
        ("往前跳？好：三次；停。", "往前跳？好：三次；停。"),
        ("Turn left, please.", "Turn left, please."),
    ],
)
def test_marks_whose_last_byte_is_wrong_are_commas(written: str, mended: str) -> None:
    assert mend_marks(written) == mended
