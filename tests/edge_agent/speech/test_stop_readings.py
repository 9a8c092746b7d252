"""A stop among other readings: near enough to the best one, short enough, and only where noise may hide it."""

import numpy as np
import pytest

from edge_agent.speech.recognizer import Reading, Transcript
from edge_agent.speech.stop_readings import CLEAR_DB, LONGEST_S, contrast_db, find_stop
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.voice_activity import FRAME, Activity
from tests.edge_agent.speech.conftest import all_recordings, mix


def readings(*written: tuple[str, float]) -> tuple[Reading, ...]:
    return tuple(Reading(text, "en", score, 3 * score) for text, score in written)


@pytest.mark.parametrize(
    ("written", "stop"),
    [
        ((("Jump now.", -0.9), ("Don't move!", -1.0)), "Don't move!"),
        ((("Slap it.", -1.4), ("Stop here.", -1.69), ("Stop it.", -1.7)), "Stop here."),
        ((("Huh?", -0.3), ("Halt!", -1.3)), None),  # too far from the best
        ((("Go.", -1.7), ("Stop!", -1.8)), None),  # too unlikely by itself
        ((("Stop the music.", -0.5), ("Sit down.", -0.4)), None),  # more is said than a stop
        ((), None),
    ],
)
def test_a_stop_near_the_best_reading_is_found(
    written: tuple[tuple[str, float], ...], stop: str | None
) -> None:
    found = find_stop(readings(*written), speech_s=0.6)
    assert (found and found.text) == stop


def test_long_speech_is_no_stop_phrase() -> None:
    near = readings(("Go on.", -0.4), ("Stop!", -0.5))
    assert find_stop(near, LONGEST_S) is not None
    assert find_stop(near, LONGEST_S + 0.1) is None


def test_contrast_is_that_of_speech_and_rest() -> None:
    loud = np.repeat([0.0, 1.0, 0.0, 0.0], FRAME).astype(np.float32)
    activity = Activity(np.array([0, 1, 0, 0], np.float32))
    hiss = 0.1 * np.sign(np.random.default_rng(0).normal(size=len(loud))).astype(np.float32)
    assert contrast_db(loud, activity) == pytest.approx(100)
    assert contrast_db(np.where(loud > 0, loud, hiss), activity) == pytest.approx(20, abs=1)
    assert contrast_db(loud, Activity(np.zeros(4, np.float32))) == 0.0


class Reader:
    """A back end that tells what it considered."""

    name = "whisper"

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def open(self) -> None: ...

    def transcribe(self, samples: object, wanted: object = None) -> Transcript:
        return self.transcript


def understand(transcript: Transcript, snr_db: float | None) -> tuple[str, str | None]:
    pytest.importorskip("silero_vad", reason="requirements/speech.txt is not installed")
    speech = all_recordings()[0].samples()
    heard = RecordingEars(Reader(transcript)).understand(
        speech if snr_db is None else mix(speech, "white", snr_db)
    )
    return heard.text, heard.doubt or heard.reason


NEAR = readings(("Sit down.", -0.4), ("Stop.", -0.6))


def test_the_stop_is_doubted_so_that_it_can_do_nothing_else() -> None:
    assert understand(Transcript("Sit down.", "en", 0.7, None, NEAR), None) == ("Stop.", "unsure")
    assert understand(Transcript("", "en", 0.2, "unsure", NEAR), None) == ("Stop.", "unsure")


def test_a_stop_that_was_written_is_believed_as_before() -> None:
    assert understand(Transcript("Halt!", "en", 0.7, None, NEAR), None) == ("Halt!", None)


def test_another_language_hides_a_stop_only_in_noise() -> None:
    foreign = Transcript("", "en", 0.2, "other_language", NEAR)
    assert CLEAR_DB > 10
    assert understand(foreign, None) == ("", "other_language")
    assert understand(foreign, 10) == ("Stop.", "other_language")
