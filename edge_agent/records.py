"""What the agent writes down, on a thread of its own: the journal, and the outbox of what got no answer."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edge_agent.journal import Journal
from edge_agent.outbox import Outbox, Unanswered
from edge_agent.utterance import Utterance
from shared.errors import DataError, NotFound
from shared.outcome import Outcome

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Records:
    """Keeps the order of what is written; either part may be missing. Lives on one event loop."""

    def __init__(self, journal: Journal | None = None, outbox: Outbox | None = None) -> None:
        self._journal = journal
        self._outbox = outbox
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.waiting = 0
        """How many utterances wait in the outbox, as far as this process knows."""

    async def open(self) -> None:
        """Make the files; ConfigurationError where they cannot be written."""
        for part in (self._journal, self._outbox):
            if part is not None:
                await self._do(part.open)
        await self.unanswered()

    def close(self) -> None:
        """Finish what is being written."""
        self._writing.shutdown(wait=True)

    async def note(self, utterance: Utterance, outcome: Outcome) -> None:
        """Write an outcome down, and keep the utterance where no answer came to it.

        A full disk must not take the dog's hearing: what fails is logged.
        """
        journal, outbox = self._journal, self._outbox
        try:
            if journal is not None:
                await self._do(lambda: journal.write(outcome))
        except OSError as error:
            logger.warning("the journal cannot be written: %s", error)
        try:
            if outbox is not None and outcome.route == "offline":
                entry = Unanswered.of(utterance, outcome.execution.reason or "cloud_error")
                await self._do(lambda: outbox.keep(entry))
                await self.unanswered()
        except DataError as error:
            logger.warning("%s", error.message)

    async def unanswered(self) -> list[Unanswered]:
        """Return what waits in the outbox, oldest first; DataError where it cannot be read."""
        outbox = self._outbox
        found = [] if outbox is None else await self._do(outbox.list)
        self.waiting = len(found)
        return found

    async def find(self, request_id: str) -> Unanswered:
        """Return one entry of the outbox; NotFound."""
        for entry in await self.unanswered():
            if entry.request_id == request_id:
                return entry
        raise NotFound("no unanswered utterance has this request_id")

    async def drop(self, request_id: str) -> None:
        """Take one entry out of the outbox; NotFound."""
        entry, outbox = await self.find(request_id), self._outbox
        assert outbox is not None
        await self._do(lambda: outbox.remove(entry.request_id))
        await self.unanswered()

    async def clear(self) -> int:
        """Empty the outbox and return how many entries it had."""
        outbox = self._outbox
        cleared = 0 if outbox is None else await self._do(outbox.clear)
        self.waiting = 0
        return cleared

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)
