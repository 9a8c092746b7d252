"""From a recording to words that may be believed: where somebody speaks, what, and how surely."""

import re
from typing import NamedTuple

import numpy as np

from edge_agent import reflex
from edge_agent.mending.homophones import Mender
from edge_agent.speech import stop_readings
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Heard, Samples, Wanted
from edge_agent.speech.recognizer import Reading, SpeechRecognizer, Transcript, always
from edge_agent.speech.voice_activity import Activity, VoiceActivity

QUIET_RMS = 10 ** (-60 / 20)
"""Below this level a recording in which nobody speaks is silence, above it noise."""
SHORTEST_SPEECH_S = 0.12
SUREST_SPEECH = 0.75
"""The probability of speech that some frame has to reach; a wavering tone reached 0.61."""
BEFORE_S = 0.25
AFTER_S = 0.16
"""What the recogniser hears around the words. The shorter the latter, the sooner it may begin: it is
given nothing that an early silence (EDGE_EARLY_SILENCE_S) does not hold already."""
PADDING = (round(0.2 * SAMPLE_RATE_HZ), round(0.34 * SAMPLE_RATE_HZ))
"""Silence before and after that: a button pressed late leaves the first sound at the very start."""
LOOPS = 5
"""So often a phrase stands only in a text that a recogniser has run away with."""

_PAUSE = re.compile(r"[.。!！?？]+\s*(?=[\u3400-\u9fff])")
"""A sentence's end in the middle of Chinese, which Whisper writes where somebody only took a breath."""
_PIECE = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:['’][^\W_\u3400-\u9fff]+)*")


class EarlyTranscript(NamedTuple):
    """What a back end wrote of exactly these samples."""

    spoken: Samples
    transcript: Transcript


class RecordingEars:
    """Ears that look for a voice first, then let a back end write, then doubt what it wrote."""

    def __init__(self, recognizer: SpeechRecognizer, mender: Mender | None = None) -> None:
        self._recognizer = recognizer
        self._mender = mender or Mender()
        self._activity: VoiceActivity | None = None
        self._early: EarlyTranscript | None = None

    @property
    def name(self) -> str:
        return self._recognizer.name

    def open(self) -> None:
        """Load everything; SpeechUnavailable tells what is missing and what to do."""
        self._activity = VoiceActivity()
        self._mender.open()
        self._recognizer.open()
        self._recognizer.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32))  # the first is slower

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        """Return the words of a recording, or why there are none."""
        early, self._early = self._early, None
        activity = self._examine(samples)
        if not _is_speech(activity):
            return Heard.nothing("silence" if level(samples) < QUIET_RMS else "noise")
        spoken = samples[activity.span(BEFORE_S, AFTER_S)]
        if early is not None and np.array_equal(early.spoken, spoken):
            transcript = early.transcript  # the back end would be given the very same
        else:
            transcript = self._transcribe(spoken)
        text, loops = collapse(transcript.text)
        stop = _find_stop(transcript, samples, activity)
        if stop is not None and not reflex.is_stop(text, moving=False):
            # Doubted on purpose: doubtful words can stop the dog and nothing else.
            why = transcript.doubt or "unsure"
            return Heard(stop.text, stop.lang, transcript.probability, doubt=why)
        if not any(character.isalnum() for character in text):
            reason = transcript.doubt or "unsure"
            return Heard.nothing(reason, transcript.lang, transcript.probability)
        doubt = transcript.doubt or ("unsure" if loops >= LOOPS else None)
        mended = text
        if transcript.lang == "zh" and doubt is None and not reflex.is_stop(text, moving=True):
            text = _PAUSE.sub("，", text)
            mended, _ = collapse(self._mender.mend(text, transcript.readings))
            mended = _PAUSE.sub("，", mended)
        written = None if mended == text else text
        return Heard(mended, transcript.lang, transcript.probability, doubt=doubt, written=written)

    def anticipate(self, samples: Samples, wanted: Wanted) -> None:
        """Let the back end write what was said so far, in case that nothing more is said.

        `understand` uses it where the whole recording holds exactly the same words and AFTER_S of
        what follows them; it keeps one transcript at the most, until the next recording.
        """
        self._early = None
        activity = self._examine(samples)
        span = activity.span(BEFORE_S, AFTER_S)
        if not _is_speech(activity) or span.stop > len(samples):
            return
        spoken = samples[span]
        self._early = EarlyTranscript(spoken, self._transcribe(spoken, wanted))

    def _examine(self, samples: Samples) -> Activity:
        if self._activity is None:
            self.open()
        assert self._activity is not None
        return self._activity.examine(samples)

    def _transcribe(self, spoken: Samples, wanted: Wanted = always) -> Transcript:
        return self._recognizer.transcribe(np.pad(spoken, PADDING), wanted)


def _is_speech(activity: Activity) -> bool:
    surest = float(activity.probabilities.max(initial=0.0))
    return activity.speech_s >= SHORTEST_SPEECH_S and surest >= SUREST_SPEECH


def _find_stop(transcript: Transcript, samples: Samples, activity: Activity) -> Reading | None:
    """Return the reading that is to stop the dog although it is not what was written."""
    foreign = transcript.doubt == "other_language"
    if foreign and stop_readings.contrast_db(samples, activity) >= stop_readings.CLEAR_DB:
        return None
    return stop_readings.find_stop(transcript.readings, activity.speech_s)


def level(samples: Samples) -> float:
    """Return the root of the mean square, 0 for nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def collapse(text: str) -> tuple[str, int]:
    """Return `text` with phrases that are repeated at once said once, and how often the most was.

    A phrase has two units (words or Chinese characters) at least: "cha cha cha" stays.
    """
    pieces = list(_PIECE.finditer(text))
    words = [piece.group().casefold() for piece in pieces]
    kept, most, at = [], 1, 0
    while at < len(words):
        length, times = _repetition(words, at)
        most = max(most, times)
        kept.append((at + length * (times - 1), at + length * times - 1))  # the last time
        at += length * times
    if most == 1:
        return text, 1
    spans = []
    for first, last in kept:
        end = pieces[last + 1].start() if last + 1 < len(pieces) else len(text)
        spans.append(text[pieces[first].start() : end])
    return "".join(spans).strip(), most


def _repetition(words: list[str], at: int) -> tuple[int, int]:
    """Return length and count of the phrase from `at` that is said several times; (1, 1) for none."""
    for length in range(2, (len(words) - at) // 2 + 1):
        phrase, times = words[at : at + length], 1
        while words[at + times * length : at + (times + 1) * length] == phrase:
            times += 1
        if times > 1:
            return length, times
    return 1, 1
