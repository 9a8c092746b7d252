"""Voice: what the dog says, one line after the other, beside everything that it does."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.audio.bark import make_bark
from edge_agent.audio.sound import Absent, Sound
from edge_agent.audio.speaker import Output
from edge_agent.audio.synthesizer import Synthesizer
from shared.text import guess_main_language

MAX_WAITING = 4
"""Lines that wait to be said; an older one gives way, for it is out of date."""
MAX_SPOKEN_CHARACTERS = 600
RETRY_S = 60.0
"""How long a missing device is left alone before it is tried again."""
BARK = None

logger = logging.getLogger(__name__)


class Voice:
    """Says lines through the first of `outputs` that works; lives on one event loop.

    `say`, `bark` and `hush` return at once and never raise. Without outputs, or while all are
    missing, a line stays the text that it is. A device that goes missing is logged once.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        outputs: Sequence[Output] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._synthesizer = synthesizer
        self._outputs = tuple(outputs)
        self._clock = clock
        self._lines: deque[str | None] = deque(maxlen=MAX_WAITING)
        self._worker: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._missing: dict[str, tuple[str, float]] = {}
        self.quiet_since = float("-inf")
        """When it last fell silent, seconds on the clock."""

    @property
    def speaking(self) -> bool:
        """Whether something is being said or waits to be said."""
        return self._worker is not None and not self._worker.done()

    def say(self, text: str) -> None:
        """Say a line after those that wait, in the voice of its language."""
        if text.strip():
            self._add(text[:MAX_SPOKEN_CHARACTERS])

    def bark(self) -> None:
        """Bark after the lines that wait."""
        self._add(BARK)

    def hush(self) -> None:
        """Fall silent at once and forget what waits."""
        self._lines.clear()
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    async def close(self) -> None:
        """Fall silent and let go of the devices."""
        self.hush()
        if self._workers:
            await asyncio.wait(self._workers)
        for output in self._outputs:
            await output.close()

    def describe(self) -> dict[str, Any]:
        """Return what the state shows: what lines go through, and what is missing and why."""
        working = [each.name for each in self._outputs if each.name not in self._missing]
        return {
            "through": working[0] if working else "text",
            "speaking": self.speaking,
            "missing": {name: reason for name, (reason, _) in self._missing.items()},
        }

    # --------------------------------------------------------------------------------------------

    def _add(self, line: str | None) -> None:
        if not self._outputs:
            return
        self._lines.append(line)
        if not self.speaking:
            self._worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(self._worker)  # a cancelled one still closes its device
            self._worker.add_done_callback(self._end)

    async def _work(self) -> None:
        while self._lines:
            line = self._lines.popleft()
            if not any(self._worth_trying(each.name) for each in self._outputs):
                continue
            sound = await self._make(line)
            if sound is not None:
                await self._play(sound)

    async def _make(self, line: str | None) -> Sound | None:
        if line is BARK:
            return await asyncio.to_thread(make_bark)
        language = guess_main_language(line)
        name = f"voice for {language}"
        if not self._worth_trying(name):
            return None
        made = await self._synthesizer.speak(line, language)
        if isinstance(made, Absent):
            self._miss(name, made)
            return None
        self._find(name)
        return made

    async def _play(self, sound: Sound) -> None:
        for output in self._outputs:
            if not self._worth_trying(output.name):
                continue
            absent = await output.play(sound)
            if absent is None:
                self._find(output.name)
                return
            self._miss(output.name, absent)

    def _worth_trying(self, name: str) -> bool:
        missing = self._missing.get(name)
        return missing is None or self._clock() - missing[1] >= RETRY_S

    def _find(self, name: str) -> None:
        if self._missing.pop(name, None):
            logger.info("the dog's voice has its %s again", name)

    def _miss(self, name: str, absent: Absent) -> None:
        """Remember that something is missing; log it the first time only."""
        if name not in self._missing:
            logger.warning("the dog's voice lacks its %s: %s", name, absent.reason)
        self._missing[name] = (absent.reason, self._clock())

    def _end(self, worker: "asyncio.Task[None]") -> None:
        self._workers.discard(worker)
        self.quiet_since = self._clock()
        if not worker.cancelled() and (error := worker.exception()) is not None:
            logger.error("the voice broke: %r", error)
