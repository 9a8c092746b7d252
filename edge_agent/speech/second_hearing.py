"""Hearing a recording once more, by ears that take longer and hear better (docs/decisions/0018).

Chinese that the dog would not act on is worth it: Whisper base writes every fourth character wrongly, Whisper
small fewer. The first ears go on beside it: a stop never waits for a second hearing.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edge_agent.speech.interface import Ears, Heard, Samples
from shared.errors import SpeechUnavailable

logger = logging.getLogger(__name__)


class SecondHearing:
    """Owns the second ears and their thread; lives on one event loop. Ears that cannot be opened are no ears."""

    def __init__(self, ears: Ears | None = None) -> None:
        self._ears = ears
        self._missing: str | None = None
        self._opening: asyncio.Future[None] | None = None
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="second-hearing")

    def start(self) -> None:
        """Begin to open the ears; nobody waits for it."""
        if self._ears is not None:
            loop = asyncio.get_running_loop()
            self._opening = loop.run_in_executor(self._thread, self._open, self._ears)

    async def understand(self, samples: Samples) -> Heard | None:
        """Return what is said; None where the ears are not there, not open yet, or at another recording."""
        if self._ears is None or not self._ready or self._busy:
            return None
        self._busy = True
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._ears.understand, samples)
        except SpeechUnavailable as error:
            logger.warning("a recording could not be heard again: %s", error.message)
            return None
        finally:
            self._busy = False

    @property
    def _ready(self) -> bool:
        return self._opening is not None and self._opening.done() and self._missing is None

    def describe(self) -> dict[str, Any] | None:
        """Return what the state shows: whether the ears are open, what is missing; None without any."""
        return {"ready": self._ready, "missing": self._missing} if self._ears else None

    def close(self) -> None:
        """Let go of the thread; what is being understood ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self, ears: Ears) -> None:
        try:
            ears.open()
        except SpeechUnavailable as error:
            self._missing = error.message
            logger.warning("no recording is heard a second time: %s", error.message)
