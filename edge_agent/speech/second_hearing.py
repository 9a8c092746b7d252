"""Hearing a recording once more, by ears that take longer and hear better (docs/decisions/0018).

Chinese that the dog would not act on is worth it: Whisper base writes every fourth character wrongly, Whisper
small fewer. The first ears go on beside it, in a thread of their own: a stop never waits for a second hearing.
"""

import logging
from typing import Any

from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Ears, Heard, Samples
from shared.errors import SpeechUnavailable

OFF = "off; beside ears, EDGE_SECOND_EARS=whisper-small hears Chinese again"

logger = logging.getLogger(__name__)


class SecondHearing:
    """Owns the second ears; lives on one event loop. Ears that cannot be opened are no ears."""

    def __init__(self, ears: Ears | None = None) -> None:
        self._hearing = Hearing(ears, OFF, trouble="no recording is heard a second time")

    def start(self) -> None:
        """Begin to open the ears; nobody waits for it."""
        self._hearing.start()

    async def understand(self, samples: Samples) -> Heard | None:
        """Return what is said; None where the ears are not there, not open yet, at another recording, or fail."""
        if not self._hearing.is_free:
            return None
        try:
            return await self._hearing.understand(samples, push_to_talk=True)
        except SpeechUnavailable as error:
            logger.warning("a recording could not be heard again: %s", error.message)
        except Exception:  # what the first ears heard still goes to the cloud
            logger.exception("a recording could not be heard again")
        return None

    def describe(self) -> dict[str, Any]:
        """Return what the state shows, as of the first ears."""
        return self._hearing.describe()

    def close(self) -> None:
        """Let go of the thread; what is being understood ends by itself."""
        self._hearing.close()
