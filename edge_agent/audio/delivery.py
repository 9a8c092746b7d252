"""Delivery: when the lines of an utterance are said, and that each is said once."""

from collections import deque
from typing import Any

from edge_agent.audio.voice import Voice
from shared.outcome import Outcome

BARK = "Bark"
REMEMBERED = 32


class Delivery:
    """Says a skill's line as its action begins and every other line once the outcome is known.

    Without a voice it says nothing. No method waits for anything.
    """

    def __init__(self, voice: Voice | None) -> None:
        self._voice = voice
        self._said: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    @property
    def speaking(self) -> bool:
        """Whether the dog is saying something."""
        return self._voice is not None and self._voice.speaking

    def line_since(self, moment_s: float) -> str | None:
        """Return the last line given to the voice if it sounded after `moment_s` (monotonic seconds)."""
        if self._voice is None or not self._said:
            return None
        sounded = self._voice.speaking or self._voice.quiet_since >= moment_s
        return self._said[-1][1] if sounded else None

    def begin(self, request_id: str, skill: str, line: str) -> None:
        """An action of an utterance is under way; may be told again and again."""
        self._say(request_id, line, barking=skill == BARK)

    def conclude(self, outcome: Outcome) -> None:
        """An utterance has come to its end."""
        self._say(outcome.request_id, outcome.say)

    def hush(self) -> None:
        """End what is being said."""
        if self._voice is not None:
            self._voice.hush()

    def describe(self) -> dict[str, Any] | None:
        """Return what the state shows of the voice."""
        return None if self._voice is None else self._voice.describe()

    async def close(self) -> None:
        """Fall silent for good."""
        if self._voice is not None:
            await self._voice.close()

    def _say(self, request_id: str, line: str, barking: bool = False) -> None:
        if self._voice is None or not line or (request_id, line) in self._said:
            return
        self._said.append((request_id, line))
        if barking:
            self._voice.bark()  # in the line's place
        else:
            self._voice.say(line)
