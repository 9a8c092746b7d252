"""The agent's hearing: one thread in which recordings are understood, one after the other.

Where nothing else is to be done, it begins on a recording that may go on: once the end is certain, the
words are known already. What goes on is given up; nothing is ever done because of it.
"""

import asyncio
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from edge_agent.speech.interface import MAX_SPEECH_S, SAMPLE_RATE_HZ, Ears, Heard, Samples
from shared.errors import Busy, SpeechAbandoned, SpeechUnavailable

MAX_WAITING = 4
"""Recordings that are or wait to be understood at once."""
NO_EARS = "this agent has no ears: install shadowdog[speech], or set EDGE_EARS; text works without"

logger = logging.getLogger(__name__)


class EarlyRun:
    """The understanding of a recording that may go on."""

    def __init__(self, ears: Ears, samples: Samples, thread: ThreadPoolExecutor) -> None:
        self._samples = samples
        self._given_up = threading.Event()
        self._future = thread.submit(ears.anticipate, samples, lambda: not self._given_up.is_set())
        self._future.add_done_callback(_note_failure)

    def make_way_for(self, samples: Samples) -> None:
        """Give it up, except where it runs and is of use to a recording that begins like this."""
        if self._future.cancel() or not _begins_with(samples, self._samples):
            self.give_up()

    def give_up(self) -> None:
        """End before the next step, or before the first."""
        self._future.cancel()
        self._given_up.set()


class Hearing:
    """Owns the ears; lives on one event loop. Without ears, or where they cannot be opened, every
    recording is refused with what to do about it, and nothing else is hindered."""

    def __init__(
        self,
        ears: Ears | None = None,
        missing: str = NO_EARS,
        trouble: str = "the dog cannot hear",
    ) -> None:
        self._ears = ears
        self._trouble = trouble
        self._missing: str | None = None if ears else missing
        self._opening: asyncio.Future[None] | None = None
        self._waiting: list[Future[Heard]] = []
        self._early: EarlyRun | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hearing")

    def start(self) -> None:
        """Begin to open the ears in their own thread; nobody waits for it but the first recording."""
        if self._ears is not None:
            loop = asyncio.get_running_loop()
            self._opening = loop.run_in_executor(self._thread, self._open, self._ears)

    async def understand(self, samples: Samples, *, push_to_talk: bool) -> Heard:
        """Return what is said; SpeechUnavailable without ears.

        Busy where too many came after it before it had begun: the newest may be a stop.
        """
        if self._opening is None and self._missing is None:
            self.start()
        if self._opening is not None:
            await asyncio.shield(self._opening)
        if self._ears is None or self._missing is not None:
            raise SpeechUnavailable(self._missing or NO_EARS)
        if len(samples) > MAX_SPEECH_S * SAMPLE_RATE_HZ:
            return Heard.nothing("too_long")
        self._make_room()
        early, self._early = self._early, None
        if early is not None:
            early.make_way_for(samples)
        future = self._thread.submit(self._ears.understand, samples, push_to_talk=push_to_talk)
        self._waiting.append(future)
        understanding = asyncio.wrap_future(future)
        try:
            await asyncio.wait({understanding})
        finally:
            understanding.cancel()  # where nobody waits for it any more
            self._waiting.remove(future)
        if understanding.cancelled():
            raise Busy("too many recordings wait to be understood; try again in a moment")
        return understanding.result()

    def _make_room(self) -> None:
        """Let the oldest recording that has not begun give way where too many wait."""
        waiting = [each for each in self._waiting if not each.done()]
        if len(waiting) < MAX_WAITING:
            return
        for each in waiting:
            if each.cancel():
                return

    def anticipate(self, samples: Samples) -> bool:
        """Begin to understand a recording that may go on, in place of an earlier such one.

        False where it has not begun, because the ears are not open or have a whole recording to
        understand; `understand` gives the same either way.
        """
        too_long = len(samples) > MAX_SPEECH_S * SAMPLE_RATE_HZ
        if not self.is_free or self._ears is None or too_long:
            return False
        if self._early is not None:
            self._early.give_up()
        self._early = EarlyRun(self._ears, samples, self._thread)
        return True

    @property
    def is_free(self) -> bool:
        """Whether the ears are open and no whole recording is or waits to be understood."""
        return self._ears is not None and self._ready and not self._waiting

    @property
    def _ready(self) -> bool:
        return self._opening is not None and self._opening.done() and self._missing is None

    def describe(self) -> dict[str, Any]:
        """Return what the state shows of the ears: which, whether they are open, what is missing."""
        return {
            "through": self._ears.name if self._ears else None,
            "ready": self._ready,
            "missing": self._missing,
        }

    def close(self) -> None:
        """Let go of the thread; what is being understood ends by itself."""
        if self._early is not None:
            self._early.give_up()
            self._early = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self, ears: Ears) -> None:
        try:
            ears.open()
        except SpeechUnavailable as error:
            self._missing = error.message
            logger.warning("%s: %s", self._trouble, error.message)
        except Exception as error:  # libraries raise what they like at broken files
            self._missing = f"the ears cannot be opened ({error}); see `edge-agent doctor`"
            logger.exception("%s", self._trouble)


def _begins_with(samples: Samples, first: Samples) -> bool:
    return np.array_equal(samples[: len(first)], first)


def _note_failure(early: Future[None]) -> None:
    """Log what went wrong: the whole recording is understood anew, and tells of it if it goes wrong."""
    error = None if early.cancelled() else early.exception()
    if error is not None and not isinstance(error, SpeechAbandoned):
        logger.warning("what was said so far could not be understood: %s", error)
