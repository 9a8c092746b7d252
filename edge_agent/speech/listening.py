"""Listening: a microphone's utterances, cut and sent to the running agent one by one.

Every utterance has a thread of its own, so that a stop is heard while the dog still does what an
earlier one asked. In a pause that may be the end, what was said so far goes ahead (`SendAhead`): the
agent has understood it, or nearly, by the time that the end is certain.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from edge_agent.audio.sound import Sound
from edge_agent.speech.endpointing import Endpointer
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from shared.errors import ShadowdogError
from shared.outcome import Outcome

QUIET = ("not_addressed", "own_voice", "noise", "silence")
"""What a person need not be told of while the microphone is open."""

Send = Callable[[bytes], Outcome]
"""Gives a WAV's bytes to the agent and returns what came of them."""
SendAhead = Callable[[bytes], object]
"""Gives the agent a WAV of what was said so far, which it must not act on."""
Tell = Callable[[Outcome | ShadowdogError], None]


class Listener:
    """Cuts frames into utterances and sends each; `tell` gets what came of them, in any order."""

    def __init__(
        self, endpointer: Endpointer, send: Send, tell: Tell, send_ahead: SendAhead | None = None
    ) -> None:
        self._endpointer = endpointer
        self._send = send
        self._tell = tell
        self._send_ahead = send_ahead
        self._lock = threading.Lock()
        self._under_way: list[threading.Thread] = []
        self._ahead: threading.Thread | None = None

    def listen(self, frames: Iterable[Samples]) -> None:
        """Listen until the frames end, and wait for what was sent."""
        for utterance in self._cut(frames):
            self._begin(utterance)
        for thread in (*self._under_way, *([self._ahead] if self._ahead else [])):
            thread.join()

    def take_one(self, frames: Iterable[Samples]) -> None:
        """Listen for one utterance, send it and wait for its outcome."""
        for utterance in self._cut(frames):
            self._deliver(utterance)
            return

    def _cut(self, frames: Iterable[Samples]) -> Iterator[Samples]:
        for frame in frames:
            utterance = self._endpointer.take(frame)
            pause = self._endpointer.pause()
            if utterance is not None:
                yield utterance
            elif pause is not None and self._send_ahead is not None:
                self._begin_ahead(pause, self._send_ahead)
        rest = self._endpointer.finish()
        if rest is not None:
            yield rest

    def _begin_ahead(self, so_far: Samples, send_ahead: SendAhead) -> None:
        if self._ahead is not None and self._ahead.is_alive():
            return  # an agent so slow is not given more

        def deliver() -> None:
            # What is wrong will be told of the whole utterance; going ahead only saves time.
            with contextlib.suppress(ShadowdogError):
                send_ahead(to_wav(so_far))

        self._ahead = threading.Thread(target=deliver, daemon=True, name="ahead")
        self._ahead.start()

    def _begin(self, utterance: Samples) -> None:
        self._under_way = [each for each in self._under_way if each.is_alive()]
        thread = threading.Thread(
            target=self._deliver, args=(utterance,), daemon=True, name="utterance"
        )
        self._under_way.append(thread)
        thread.start()

    def _deliver(self, utterance: Samples) -> None:
        came: Outcome | ShadowdogError
        try:
            came = self._send(to_wav(utterance))
        except ShadowdogError as error:
            came = error
        with self._lock:
            self._tell(came)


def to_wav(samples: Samples) -> bytes:
    """Return the samples as a 16-bit WAV's bytes."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    return Sound(pcm, SAMPLE_RATE_HZ).to_wav()
