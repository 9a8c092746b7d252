"""The agent's hearing: one thread in which recordings are understood, one after the other."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edge_agent.speech.interface import MAX_SPEECH_S, SAMPLE_RATE_HZ, Ears, Heard, Samples
from shared.errors import Busy, SpeechUnavailable

MAX_WAITING = 4
"""Recordings that are or wait to be understood at once."""
NO_EARS = "this agent has no ears: install shadowdog[speech], or set EDGE_EARS; text works without"

logger = logging.getLogger(__name__)


class Hearing:
    """Owns the ears; lives on one event loop. Without ears, or where they cannot be opened, every
    recording is refused with what to do about it, and nothing else is hindered."""

    def __init__(self, ears: Ears | None = None, missing: str = NO_EARS) -> None:
        self._ears = ears
        self._missing: str | None = None if ears else missing
        self._opening: asyncio.Future[None] | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hearing")

    def start(self) -> None:
        """Begin to open the ears in their own thread; nobody waits for it but the first recording."""
        if self._ears is not None:
            loop = asyncio.get_running_loop()
            self._opening = loop.run_in_executor(self._thread, self._open, self._ears)

    async def understand(self, samples: Samples, *, push_to_talk: bool) -> Heard:
        """Return what is said; SpeechUnavailable without ears, Busy where too many wait."""
        if self._opening is None and self._missing is None:
            self.start()
        if self._opening is not None:
            await asyncio.shield(self._opening)
        if self._ears is None or self._missing is not None:
            raise SpeechUnavailable(self._missing or NO_EARS)
        if len(samples) > MAX_SPEECH_S * SAMPLE_RATE_HZ:
            return Heard.nothing("too_long")
        if self._waiting >= MAX_WAITING:
            raise Busy("too many recordings wait to be understood; try again in a moment")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            ears = self._ears
            return await loop.run_in_executor(
                self._thread, lambda: ears.understand(samples, push_to_talk=push_to_talk)
            )
        finally:
            self._waiting -= 1

    def describe(self) -> dict[str, Any]:
        """Return what the state shows of the ears: which, whether they are open, what is missing."""
        opened = self._opening is not None and self._opening.done() and self._missing is None
        return {
            "through": self._ears.name if self._ears else None,
            "ready": opened,
            "missing": self._missing,
        }

    def close(self) -> None:
        """Let go of the thread; what is being understood ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self, ears: Ears) -> None:
        try:
            ears.open()
        except SpeechUnavailable as error:
            self._missing = error.message
            logger.warning("the dog cannot hear: %s", error.message)
