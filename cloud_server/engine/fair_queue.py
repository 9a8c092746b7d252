"""Who waits, by owner and robot: nobody's many requests keep another's one waiting behind them all."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence

from cloud_server.engine.generation import Generation


class FairQueue:
    """First come, first served within a robot; among owners the one with the fewest active requests
    is next, in turn where several have as few, and within it likewise among its robots.

    An owner is a key, which the service gave out; a robot's id is the caller's own word, so that
    inventing more of them wins nothing from another key.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[str, deque[Generation]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(queue) for robots in self._owners.values() for queue in robots.values())

    def __iter__(self) -> Iterator[Generation]:
        return (
            generation
            for robots in self._owners.values()
            for queue in robots.values()
            for generation in queue
        )

    def add(self, generation: Generation) -> None:
        """Let a request wait behind its robot's others."""
        request = generation.request
        robots = self._owners.setdefault(request.owner, OrderedDict())
        robots.setdefault(request.robot, deque()).append(generation)

    def next(self, active: Sequence[Generation]) -> Generation | None:
        """Return whose turn it is, None where nobody waits; it goes on waiting."""
        if not self._owners:
            return None
        busy = Counter(each.request.owner for each in active)
        owner = min(self._owners, key=lambda each: busy[each])
        busy_robots = Counter(each.request.robot for each in active if each.request.owner == owner)
        robots = self._owners[owner]
        return robots[min(robots, key=lambda each: busy_robots[each])][0]

    def remove(self, generation: Generation) -> bool:
        """Take a request out, its owner and robot to the end of the turns; False where it waits not."""
        owner, robot = generation.request.owner, generation.request.robot
        robots = self._owners.get(owner, OrderedDict())
        queue = robots.get(robot, deque())
        if generation not in queue:
            return False
        queue.remove(generation)
        robots.move_to_end(robot)
        self._owners.move_to_end(owner)
        if not queue:
            del robots[robot]
        if not robots:
            del self._owners[owner]
        return True
