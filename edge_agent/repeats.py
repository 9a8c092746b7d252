"""The outcomes of the last requests by their id, so that a request sent again does not act again."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from shared.errors import Conflict
from shared.outcome import Outcome

REMEMBERED = 256


class Repeats:
    """Remembers the last REMEMBERED ids; belongs to one event loop."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._known: OrderedDict[str, tuple[Hashable, asyncio.Task[Outcome]]] = OrderedDict()

    async def once(
        self, request_id: str, said: Hashable, work: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """Return the outcome of `work`, or of the earlier request with this id, waiting for it.

        Conflict where the id stands for something else that was said. What raised is forgotten, so
        that it may be tried again; who goes away while it is under way ends nothing.
        """
        known = self._known.get(request_id)
        if known is None:
            task = asyncio.ensure_future(_run(work))
            self._known[request_id] = (said, task)
            task.add_done_callback(lambda done: self._forget_failed(request_id, done))
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        elif known[0] != said:
            raise Conflict("this request_id stands for another utterance; use a new one")
        else:
            task = known[1]
        return await asyncio.shield(task)

    def _forget_failed(self, request_id: str, task: "asyncio.Task[Outcome]") -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._known.get(request_id, (None, None))[1] is task:
            del self._known[request_id]


async def _run(work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    return await work()
