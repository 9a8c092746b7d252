"""Who waits, by owner: nobody's many requests keep another's one waiting behind them all."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence

from cloud_server.engine.generation import Generation


class FairQueue:
    """First come, first served within an owner; among owners the one with the fewest active
    requests is next, in turn where several have as few."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Generation]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def __iter__(self) -> Iterator[Generation]:
        return (generation for queue in self._queues.values() for generation in queue)

    def add(self, generation: Generation) -> None:
        """Let a request wait behind its owner's others."""
        self._queues.setdefault(generation.request.owner, deque()).append(generation)

    def next(self, active: Sequence[Generation]) -> Generation | None:
        """Return whose turn it is, None where nobody waits; it goes on waiting."""
        if not self._queues:
            return None
        busy = Counter(generation.request.owner for generation in active)
        owner = min(self._queues, key=lambda each: busy[each])
        return self._queues[owner][0]

    def remove(self, generation: Generation) -> bool:
        """Take a request out, and its owner to the end of the turns; False where it waits not."""
        owner = generation.request.owner
        queue = self._queues.get(owner, deque())
        if generation not in queue:
            return False
        queue.remove(generation)
        self._queues.move_to_end(owner)
        if not queue:
            del self._queues[owner]
        return True
