"""Where somebody speaks in a recording or a stream: silero's network, 32 ms at a time."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.inference import Graph
from edge_agent.provider import ProviderOptions
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from shared.errors import SpeechUnavailable

FRAME = 512
FRAME_S = FRAME / SAMPLE_RATE_HZ
CONTEXT = 64
"""Samples before a frame that the network sees with it."""
SPEECH_ON = 0.5
SPEECH_OFF = 0.35
MODEL = "silero_vad_16k_op15.onnx"


@dataclass(frozen=True)
class Activity:
    """What the network says of a recording: the probability of speech, float of shape (frames,)."""

    probabilities: NDArray[np.float32]

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """In which frames somebody certainly speaks, of shape (frames,)."""
        return self.probabilities >= SPEECH_ON

    @property
    def speech_s(self) -> float:
        """How long somebody certainly speaks."""
        return float(self.spoken.sum()) * FRAME_S

    def span(self, before_s: float, after_s: float) -> slice:
        """Return the samples from the first to the last speech, with some time around them."""
        spoken = np.flatnonzero(self.probabilities >= SPEECH_OFF)
        if not len(spoken):
            return slice(0, 0)
        first = int(spoken[0]) * FRAME - round(before_s * SAMPLE_RATE_HZ)
        last = (int(spoken[-1]) + 1) * FRAME + round(after_s * SAMPLE_RATE_HZ)
        return slice(max(0, first), last)


class VoiceActivity:
    """One stream's network and its memory; not to be shared between threads."""

    def __init__(self, model: Path | None = None) -> None:
        self._graph = Graph.open(model or find_model(), ProviderOptions())
        self._rate = self._graph.constant(np.array(SAMPLE_RATE_HZ, np.int64))
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._state: NDArray[np.float32] = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def probability(self, frame: Samples) -> float:
        """Return how surely somebody speaks in the stream's next FRAME samples."""
        given = np.concatenate([self._context, frame])[None]
        inputs = {"input": given, "state": self._state, "sr": self._rate}
        answer, self._state = self._graph.run(inputs, ["output", "stateN"])
        self._context = frame[-CONTEXT:]
        return float(answer[0, 0])

    def examine(self, samples: Samples) -> Activity:
        """Return the activity in a whole recording; the stream begins anew with it."""
        self.reset()
        count = -(-len(samples) // FRAME)
        padded = np.pad(samples.astype(np.float32), (0, count * FRAME - len(samples)))
        frames = padded.reshape(count, FRAME)
        return Activity(np.array([self.probability(frame) for frame in frames], np.float32))


def find_model() -> Path:
    """Return silero's file, out of its package without importing it: that would need torch."""
    found = importlib.util.find_spec("silero_vad")
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / "data" / MODEL
        if path.is_file():
            return path
    raise SpeechUnavailable(
        "silero-vad is missing, which tells speech from noise: "
        "`pip install --no-deps -r requirements/speech.txt`"
    )
