"""Cutting a stream of sound into utterances: pre-roll, where speech begins, and where it has ended."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_agent.speech.interface import MAX_SPEECH_S, SAMPLE_RATE_HZ, Samples
from edge_agent.speech.voice_activity import FRAME, FRAME_S, SPEECH_OFF, SPEECH_ON

PRE_ROLL_S = 0.32
"""Kept from before the speech begins, since the network notices a soft first sound late."""


@dataclass(frozen=True)
class EndpointOptions:
    """`silence_s` of no speech end an utterance; shorter answers sooner and cuts more sentences.

    `early_s` of no speech may be the end already (`Endpointer.pause`); 0, or no less than
    `silence_s`: such pauses are not told of.
    """

    silence_s: float = 0.5
    early_s: float = 0.0
    longest_s: float = MAX_SPEECH_S - 1.0
    shortest_s: float = 0.1


class Endpointer:
    """Takes frames of FRAME samples, gives whole utterances; `probability` is a stream's VAD.

    An utterance that lasts too long is cut and what follows is a new one, so that a stop at the end
    of a long speech is heard at all.
    """

    def __init__(
        self,
        probability: Callable[[Samples], float],
        options: EndpointOptions | None = None,
    ) -> None:
        self._probability = probability
        self._options = options or EndpointOptions()
        self._before: deque[Samples] = deque(maxlen=round(PRE_ROLL_S / FRAME_S))
        self._frames: list[Samples] = []
        self._spoken = 0
        self._silent = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is under way."""
        return bool(self._frames)

    def take(self, frame: Samples) -> Samples | None:
        """Take the next frame; return the utterance that has ended with it, None while none has."""
        probability = self._probability(frame)
        if not self._frames:
            self._before.append(frame)
            if probability >= SPEECH_ON:
                self._frames = list(self._before)
                self._before.clear()
                self._spoken, self._silent = 1, 0
            return None
        self._frames.append(frame)
        if probability >= SPEECH_OFF:
            self._spoken += 1
            self._silent = 0
        else:
            self._silent += 1
        ended = self._silent * FRAME_S >= self._options.silence_s
        if not ended and len(self._frames) * FRAME_S < self._options.longest_s:
            return None
        return self._finish()

    def pause(self) -> Samples | None:
        """Return what was said so far, where the frame taken last made a silence `early_s` long.

        To be asked after each `take`. The utterance begins with exactly these samples.
        """
        early_s = self._options.early_s
        lasts = (self._silent - 1) * FRAME_S < early_s <= self._silent * FRAME_S
        if not self._frames or not self._silent or not lasts or not self._long_enough():
            return None
        return np.concatenate(self._frames)

    def finish(self) -> Samples | None:
        """Return the utterance under way at the stream's end."""
        return self._finish() if self._frames else None

    def _finish(self) -> Samples | None:
        utterance = np.concatenate(self._frames)
        self._frames = []
        return utterance if self._long_enough() else None

    def _long_enough(self) -> bool:
        return self._spoken * FRAME_S >= self._options.shortest_s


def frames_of(samples: Samples) -> list[Samples]:
    """Return the samples as frames, the last filled up with silence."""
    count = -(-len(samples) // FRAME)
    padded = np.pad(samples, (0, count * FRAME - len(samples)))
    return list(padded.reshape(count, FRAME))


def seconds(samples: Samples) -> float:
    """Return how long the samples last."""
    return len(samples) / SAMPLE_RATE_HZ
