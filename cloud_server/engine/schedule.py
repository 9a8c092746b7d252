"""Who waits and who is decoded: a bounded queue before a bounded set of active requests."""

import threading
from collections import deque

from cloud_server.engine.generation import Generation
from cloud_server.engine.stream import EventStream
from shared.errors import Busy


class Schedule:
    """The one thing that the event loop and the owner thread both touch, under one lock.

    Only the owner thread moves requests on or ends them; the event loop adds and forgets.
    """

    def __init__(self, *, queue_size: int, max_active: int) -> None:
        self._queue_size = queue_size
        self._max_active = max_active
        self._changed = threading.Condition()
        self._waiting: deque[Generation] = deque()
        self._active: list[Generation] = []
        self._closed = False

    def add(self, generation: Generation) -> None:
        """Queue a request; Busy when as many as may wait are waiting, or after `close`."""
        with self._changed:
            if self._closed:
                raise Busy("the service is stopping; ask again in a moment")
            # Counted together, so that a free active place is never refused for want of a wake-up.
            if len(self._waiting) + len(self._active) >= self._queue_size + self._max_active:
                raise Busy("as many requests as may wait are waiting; ask again in a moment")
            self._waiting.append(generation)
            self._changed.notify()

    def forget(self, stream: EventStream) -> None:
        """Take the waiting request of a cancelled stream out of the queue.

        An active one is left to the owner thread, which sees that its stream is cancelled.
        """
        with self._changed:
            self._waiting = deque(each for each in self._waiting if each.stream is not stream)

    def wait(self) -> bool:
        """Block until there is a request to work on; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._active)
            return not self._closed

    def admit(self) -> list[Generation]:
        """Move waiting requests to free active places, oldest first, and return those moved."""
        with self._changed:
            free = self._max_active - len(self._active)
            moved = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
            self._active.extend(moved)
            return moved

    def active(self) -> tuple[Generation, ...]:
        """Return the active requests, oldest first."""
        with self._changed:
            return tuple(self._active)

    def everyone(self) -> tuple[Generation, ...]:
        """Return active and waiting requests."""
        with self._changed:
            return (*self._active, *self._waiting)

    def end(self, generation: Generation) -> None:
        """Drop a request, active or waiting."""
        with self._changed:
            self._active = [each for each in self._active if each is not generation]
            self._waiting = deque(each for each in self._waiting if each is not generation)

    def close(self) -> None:
        """Refuse what comes from now on and wake the owner thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
