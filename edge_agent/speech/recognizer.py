"""What a back end for speech does: one recording in which somebody speaks becomes a transcript."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from edge_agent.speech.interface import Reason, Samples, Wanted
from shared.text import Language, guess_language

SpokenLanguage = Literal["auto", "en", "zh"]
"""What is spoken to the dog; "auto" takes either."""

_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff\u3040-\u30ff\uac00-\ud7af]")
"""From Greek to Indian and Ethiopic letters, kana, Hangul."""


@dataclass(frozen=True)
class Reading:
    """One of the ways in which a back end can read a recording.

    `score`: mean log-probability a token; `log_probability`: that of the whole text.
    """

    text: str
    lang: Language
    score: float
    log_probability: float


@dataclass(frozen=True)
class Transcript:
    """The words as the back end wrote them.

    `probability` is the mean over tokens in 0 to 1, None where it tells none. `doubt` is why the
    words cannot be believed; a stop phrase among doubtful words still counts (`understanding.py`).
    `readings` are all that the back end has considered, the text's own among them; empty where it
    tells none.
    """

    text: str
    lang: Language
    probability: float | None = None
    doubt: Reason | None = None
    readings: tuple[Reading, ...] = ()


def always() -> bool:
    """The Wanted of what is to be finished in any case."""
    return True


class SpeechRecognizer(Protocol):
    """A back end; blocking, used from one thread."""

    @property
    def name(self) -> str:
        """ "whisper", "sensevoice" or "wyoming"."""

    def open(self) -> None:
        """Load what it needs; SpeechUnavailable tells what is missing and what to do."""

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        """Return what is said; SpeechUnavailable where it cannot be asked.

        SpeechAbandoned where it works in several steps and is no longer `wanted` after one of them.
        """


def read_foreign_transcript(text: str, language: str | None) -> Transcript:
    """Return the transcript of a back end that tells only a text and, perhaps, a language's code."""
    code = (language or "").lower()[:3].rstrip("-_")
    guess: Language = "other" if _OTHER_SCRIPTS.search(text) else guess_language(text)
    known: dict[str, Language] = {"": guess, "en": "en", "zh": "zh", "yue": "zh"}
    lang = known.get(code, "other") if guess != "other" else guess
    return Transcript(text.strip(), lang, None, "other_language" if lang == "other" else None)
