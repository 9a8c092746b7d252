"""What a recogniser of speech takes and gives: samples at 16 kHz in, words or a reason out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.text import Language

SAMPLE_RATE_HZ = 16_000
MAX_SPEECH_S = 15.0
"""A longer recording is not understood: a spoken command is short."""

Samples = NDArray[np.float32]
"""Mono samples of shape (n,) at SAMPLE_RATE_HZ, in -1 to 1."""

Wanted = Callable[[], bool]
"""Asked between the steps of a long work, from any thread: False once its result is of no use."""

Reason = Literal[
    "silence",
    "noise",
    "unsure",
    "other_language",
    "too_long",
    "not_addressed",
    "awaiting_command",
    "own_voice",
]
"""Why there are no words: nothing sounded · what sounded was no speech · the words are too doubtful ·
they are neither English nor Chinese · the recording is longer than MAX_SPEECH_S · from an open
microphone: not meant for the dog · the wake phrase alone, so that the next words count · the dog
heard itself."""


@dataclass(frozen=True)
class Heard:
    """What was understood, and how sure the recogniser is of it.

    `text` is empty exactly where `reason` says why nothing was understood; `probability` is the mean
    over the words' tokens, in 0 to 1, None where the recogniser gives none or was not asked. Words
    with a `doubt` count as a stop if they are one, and else as not understood for that reason.
    `written`: the recogniser's own words where `text` is those mended by sound, None where it is not.
    """

    text: str
    lang: Language
    probability: float | None = None
    reason: Reason | None = None
    doubt: Reason | None = None
    written: str | None = None

    @classmethod
    def nothing(
        cls, reason: Reason, lang: Language = "other", probability: float | None = None
    ) -> "Heard":
        """Return what stands for a recording in which nothing was understood."""
        return cls("", lang, probability, reason)


class Ears(Protocol):
    """Understands recordings. Its methods block, for up to seconds, and belong in one thread."""

    @property
    def name(self) -> str:
        """The word for it in settings and state: "whisper", "sensevoice", "wyoming" or "text"."""

    def open(self) -> None:
        """Load what it needs; SpeechUnavailable tells what is missing and what to do."""

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        """Return what is said in one recording; SpeechUnavailable where that cannot be asked.

        `push_to_talk`: a person says that this is speech. Noise still gives no words.
        """

    def anticipate(self, samples: Samples, wanted: Wanted) -> None:
        """Do what can be done of a recording that may go on, for an `understand` that comes at once.

        The whole recording begins with these samples. What it gives is the same with and without
        this, and errors are: SpeechAbandoned once no longer `wanted`, else as in `understand`.
        """
