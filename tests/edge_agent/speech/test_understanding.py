"""Ears with a back end that would call anything a command: what nobody said never becomes words."""

import numpy as np
import pytest

from edge_agent.mending.homophones import Mender
from edge_agent.speech.endpointing import Endpointer, EndpointOptions, frames_of
from edge_agent.speech.interface import Samples, Wanted
from edge_agent.speech.recognizer import Transcript, always
from edge_agent.speech.understanding import AFTER_S, RecordingEars, collapse
from edge_agent.speech.voice_activity import VoiceActivity
from shared.errors import SpeechAbandoned
from tests.edge_agent.speech.conftest import all_recordings, mix, noise

pytest.importorskip("silero_vad", reason="requirements/speech.txt is not installed")


class Gullible:
    """Hears a command in everything."""

    name = "whisper"

    def __init__(self, transcript: Transcript | None = None) -> None:
        self.transcript = transcript or Transcript("front flip", "en", 0.99)
        self.given: list[Samples] = []

    def open(self) -> None: ...

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        self.given.append(samples)
        if not wanted():
            raise SpeechAbandoned("nobody wants it")
        return self.transcript


@pytest.fixture
def gullible() -> Gullible:
    return Gullible()


@pytest.fixture
def ears(gullible: Gullible) -> RecordingEars:
    ears = RecordingEars(gullible)
    ears.open()
    gullible.given.clear()
    return ears


def tone(hz: float, wavering: float = 0.0) -> Samples:
    time = np.arange(32_000) / 16_000
    volume = 0.3 * (1 + wavering * np.sin(2 * np.pi * 3 * time))
    return (volume * np.sin(2 * np.pi * hz * time)).astype(np.float32)


NOTHING = {
    "silence": np.zeros(32_000, np.float32),
    "empty": np.zeros(0, np.float32),
    "one sample": np.ones(1, np.float32),
    "soft hiss": 1e-4 * noise("white", 2),
    **{f"white {level}": level * noise("white", 3) for level in (0.01, 0.1, 0.3)},
    **{f"brown {level}": level * noise("brown", 3) for level in (0.01, 0.1, 0.3)},
    **{f"tone {hz}": tone(hz) for hz in (60, 220, 440, 1000, 4000)},
    **{f"wavering {hz}": tone(hz, 0.5) for hz in (150, 220, 300)},
    "clicks": (np.random.default_rng(1).random(32_000) < 0.001).astype(np.float32),
    "clipped": np.sign(tone(120)).astype(np.float32),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_nobody_said_is_not_even_written(
    name: str, ears: RecordingEars, gullible: Gullible
) -> None:
    heard = ears.understand(NOTHING[name])
    assert (heard.text, gullible.given) == ("", [])
    quiet = name in ("silence", "empty", "soft hiss")
    assert heard.reason == ("silence" if quiet else "noise") or name == "one sample"


@pytest.mark.parametrize("snr_db", [None, 20, 10, 5])
def test_every_voice_is_found(
    snr_db: float | None, ears: RecordingEars, gullible: Gullible
) -> None:
    spoken = [each for each in all_recordings() if each.label != "other"][::4]
    for number, recording in enumerate(spoken):
        samples = recording.samples()
        if snr_db is not None:
            samples = mix(samples, ("white", "brown")[number % 2], snr_db, number)
        assert ears.understand(samples).text, recording.file


def test_the_back_end_gets_what_is_spoken_and_little_around_it(
    ears: RecordingEars, gullible: Gullible
) -> None:
    speech = all_recordings()[0].samples()
    rest = np.zeros(48_000, np.float32)
    ears.understand(np.concatenate([rest, speech, rest]))
    assert len(speech) * 0.6 < len(gullible.given[0]) < len(speech) + 16_000


def test_doubt_goes_with_the_words(gullible: Gullible, ears: RecordingEars) -> None:
    gullible.transcript = Transcript("sit down", "en", 0.2, "unsure")
    heard = ears.understand(all_recordings()[0].samples())
    assert (heard.text, heard.doubt, heard.reason) == ("sit down", "unsure", None)


def test_a_back_end_that_runs_away_is_doubted(gullible: Gullible, ears: RecordingEars) -> None:
    gullible.transcript = Transcript("spin around. " * 6, "en", 0.9)
    heard = ears.understand(all_recordings()[0].samples())
    assert (heard.text, heard.doubt) == ("spin around.", "unsure")


def test_words_of_marks_alone_are_none(gullible: Gullible, ears: RecordingEars) -> None:
    gullible.transcript = Transcript("...", "en", 0.9)
    assert ears.understand(all_recordings()[0].samples()).reason == "unsure"


def test_chinese_is_mended_and_doubtful_chinese_is_not(
    gullible: Gullible, ears: RecordingEars
) -> None:
    speech = all_recordings()[0].samples()
    gullible.transcript = Transcript("狗哥，做下", "zh", 0.9)
    heard = ears.understand(speech)
    assert (heard.text, heard.written) == ("狗哥，坐下", "狗哥，做下")
    gullible.transcript = Transcript("狗哥，做下", "zh", 0.2, "unsure")
    heard = ears.understand(speech)
    assert (heard.text, heard.written) == ("狗哥，做下", None)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("久坐站起来。眼前发黑。是怎么回事?", "久坐站起来，眼前发黑，是怎么回事?"),
        ("后场结束！ 起立。", "后场结束，起立。"),
        ("打开 3.5 版。", "打开 3.5 版。"),
        ("Sit down. Please.", "Sit down. Please."),
    ],
)
def test_a_breath_in_chinese_ends_no_sentence(
    gullible: Gullible,
    ears: RecordingEars,
    monkeypatch: pytest.MonkeyPatch,
    written: str,
    text: str,
) -> None:
    monkeypatch.setattr(Mender, "mend", lambda _, text, readings: text)
    gullible.transcript = Transcript(written, "en" if written.isascii() else "zh", 0.9)
    heard = ears.understand(all_recordings()[0].samples())
    assert (heard.text, heard.written) == (text, None)


@pytest.mark.parametrize("stop", ["挺下来别动", "停下！", "别转了", "站住！不要跳舞"])
def test_a_stop_stays_as_it_was_heard(
    gullible: Gullible, ears: RecordingEars, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    monkeypatch.setattr(Mender, "mend", lambda *_: "跳个舞")
    gullible.transcript = Transcript(stop, "zh", 0.9)
    heard = ears.understand(all_recordings()[0].samples())
    assert (heard.text, heard.written) == (stop, None)


@pytest.mark.parametrize(
    ("text", "said", "times"),
    [
        ("sit down", "sit down", 1),
        ("Sit down. Sit down. Sit down.", "Sit down.", 3),
        ("坐下，坐下。", "坐下。", 2),
        ("cha cha cha", "cha cha cha", 1),
        ("no no no, turn left turn left please", "no no no, turn left please", 2),
        ("停停停", "停停停", 1),
        ("", "", 1),
        ("go, dog, go", "go, dog, go", 1),
    ],
)
def test_repeated_phrases_are_said_once(text: str, said: str, times: int) -> None:
    assert collapse(text) == (said, times)


def speak(label: str = "Sit") -> Samples:
    """Return a recording as a microphone hears it: half a second of a soft hiss around it."""
    spoken = next(each for each in all_recordings() if each.label == label).samples()
    rest = np.zeros(8_000, np.float32)
    whole = np.concatenate([rest, spoken, rest])
    return whole + 5e-4 * noise("white", 10)[: len(whole)]


def cut(stream: Samples) -> tuple[list[Samples], Samples]:
    """Return what the microphone sends ahead, and the first utterance."""
    endpointer = Endpointer(VoiceActivity().probability, EndpointOptions(early_s=0.2))
    ahead = []
    for each in frames_of(np.concatenate([stream, np.zeros(16_000, np.float32)])):
        utterance = endpointer.take(each)
        if utterance is not None:
            return ahead, utterance
        so_far = endpointer.pause()
        if so_far is not None:
            ahead.append(so_far)
    raise AssertionError("no utterance")


def test_what_was_recognised_early_is_used_and_the_same(
    ears: RecordingEars, gullible: Gullible
) -> None:
    ahead, whole = cut(speak())
    ears.anticipate(ahead[-1], always)
    assert len(gullible.given) == 1
    heard = ears.understand(whole)
    assert len(gullible.given) == 1
    assert ears.understand(whole) == heard  # now without anything early
    early, alone = gullible.given
    assert np.array_equal(early, alone)  # to the last sample, trailing silence included


def test_the_early_words_count_once(ears: RecordingEars, gullible: Gullible) -> None:
    ahead, whole = cut(speak())
    ears.anticipate(ahead[-1], always)
    for asked in (1, 2, 3):
        ears.understand(whole)
        assert len(gullible.given) == asked


def test_where_speech_goes_on_the_early_words_are_thrown_away(
    ears: RecordingEars, gullible: Gullible
) -> None:
    first, second = speak("wake"), speak("Sit")
    ahead, whole = cut(np.concatenate([first[:-8_000], second[8_000:]]))
    assert len(ahead) == 2
    ears.anticipate(ahead[0], always)
    gullible.transcript = Transcript("the whole", "en", 0.99)
    assert ears.understand(whole).text == "the whole"
    assert len(gullible.given) == 2
    assert len(gullible.given[1]) > len(gullible.given[0])


def test_other_words_than_those_before_are_recognised(
    ears: RecordingEars, gullible: Gullible
) -> None:
    ears.anticipate(cut(speak("Sit"))[0][-1], always)
    ears.understand(cut(speak("StopMove"))[1])
    assert len(gullible.given) == 2


def test_early_is_nothing_begun_that_cannot_be_used(
    ears: RecordingEars, gullible: Gullible
) -> None:
    for nothing in NOTHING.values():
        ears.anticipate(nothing, always)
    so_far = cut(speak())[0][-1]
    ears.anticipate(so_far[: -round(AFTER_S * 16_000)], always)  # the words may yet go on
    assert gullible.given == []


def test_an_early_error_leaves_nothing_behind(ears: RecordingEars, gullible: Gullible) -> None:
    ahead, whole = cut(speak())
    with pytest.raises(SpeechAbandoned):
        ears.anticipate(ahead[-1], lambda: False)
    assert ears.understand(whole).text == "front flip"
    assert len(gullible.given) == 2
