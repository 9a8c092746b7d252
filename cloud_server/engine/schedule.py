"""What the event loop and the owner thread both touch: who waits, who is decoded, what is served."""

import threading
from collections import Counter
from typing import Literal

from cloud_server.engine.errand import Errand
from cloud_server.engine.fair_queue import FairQueue
from cloud_server.engine.generation import Generation, Listener
from cloud_server.engine.served_base import ServedName
from shared.errors import Busy, Conflict, NotFound

STOPPING = "the service is stopping; ask again in a moment"


class Schedule:
    """A bounded queue before a bounded set of active requests, all under one lock.

    Only the owner thread moves requests on, ends them, and changes what is served; anybody adds,
    forgets and asks.
    """

    def __init__(self, *, queue_size: int, max_active: int) -> None:
        self._queue_size = queue_size
        self._max_active = max_active
        self._changed = threading.Condition()
        self._served: dict[str, ServedName] = {}
        self._waiting = FairQueue()
        self._active: list[Generation] = []
        self._forgotten: list[Generation] = []
        self._errands: list[Errand] = []
        self._takes_more = True
        self._closed = False

    # --- what anybody may call -------------------------------------------------------------------

    def add(self, generation: Generation) -> None:
        """Queue a request; NotFound where its model is not served, Busy when as many as may wait
        are waiting, or after `stop_taking`."""
        with self._changed:
            if not self._takes_more:
                raise Busy(STOPPING)
            if generation.model not in self._served:
                raise NotFound(f"this service serves {', '.join(self._served)} and no other model")
            # Counted together, so that a free active place is never refused for want of a wake-up.
            if len(self._waiting) + len(self._active) >= self._queue_size + self._max_active:
                raise Busy("as many requests as may wait are waiting; ask again in a moment")
            self._waiting.add(generation)
            self._changed.notify_all()

    def forget(self, listener: Listener) -> None:
        """Take the waiting request of a listener that went away out of the queue.

        An active one is left to the owner thread, which sees that its listener is gone.
        """
        with self._changed:
            for generation in [each for each in self._waiting if each.listener is listener]:
                self._waiting.remove(generation)
                self._forgotten.append(generation)
            self._changed.notify_all()

    def ask(self, errand: Errand) -> None:
        """Have work done between two steps; refused as Busy once closed."""
        with self._changed:
            if not self._closed:
                self._errands.append(errand)
                self._changed.notify_all()
                return
        errand.refuse(Busy(STOPPING))

    def served(self) -> tuple[ServedName, ...]:
        """Return what is served, the default first, with the requests that use it now."""
        with self._changed:
            users = Counter(generation.model for generation in self._everyone())
            return tuple(
                each._replace(in_use=users[each.name])
                for each in sorted(self._served.values(), key=lambda each: not each.default)
            )

    def stop_taking(self) -> None:
        """Refuse requests that come from now on."""
        with self._changed:
            self._takes_more = False

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Block until nothing waits or runs; False where that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._everyone(), timeout_s)

    def close(self) -> None:
        """Refuse what comes from now on and wake the owner thread for its end."""
        with self._changed:
            self._takes_more = False
            self._closed = True
            self._changed.notify_all()

    # --- the owner thread's ----------------------------------------------------------------------

    def wait(self) -> bool:
        """Block until there is something to do; False once closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._errands or self._forgotten or self._everyone()
            )
            return not self._closed

    def next_waiting(self) -> Generation | None:
        """Return whose turn it is to be decoded; None where nobody waits or no place is free."""
        with self._changed:
            if len(self._active) >= self._max_active:
                return None
            return self._waiting.next(self._active)

    def activate(self, generation: Generation) -> bool:
        """Move a waiting request on; False where it was forgotten meanwhile."""
        with self._changed:
            if not self._waiting.remove(generation):
                return False
            self._active.append(generation)
            return True

    def active(self) -> tuple[Generation, ...]:
        """Return the active requests, oldest first."""
        with self._changed:
            return tuple(self._active)

    def everyone(self) -> tuple[Generation, ...]:
        """Return active and waiting requests."""
        with self._changed:
            return self._everyone()

    def end(self, generation: Generation) -> None:
        """Drop a request, active or waiting."""
        with self._changed:
            self._active = [each for each in self._active if each is not generation]
            self._waiting.remove(generation)
            self._changed.notify_all()

    def take_forgotten(self) -> list[Generation]:
        """Return the waiting requests that were given up since the last call."""
        with self._changed:
            forgotten, self._forgotten = self._forgotten, []
            return forgotten

    def take_errands(self) -> list[Errand]:
        """Return the work that was asked for since the last call."""
        with self._changed:
            errands, self._errands = self._errands, []
            return errands

    def offer(self, name: str, kind: Literal["shadow", "base"], *, default: bool = False) -> None:
        """Let requests use a name."""
        with self._changed:
            self._served[name] = ServedName(name, kind, default, 0)

    def serves(self, name: str) -> bool:
        """Return whether requests may use a name."""
        with self._changed:
            return name in self._served

    def retire(self, name: str) -> None:
        """Let requests use a shadow's name no longer.

        NotFound where there is no such shadow; Conflict where it is the default, or a request that
        uses it waits or runs: nothing is taken from under a request.
        """
        with self._changed:
            served = self._served.get(name)
            if served is None or served.kind == "base":
                raise NotFound(f"no shadow {name} is served")
            users = sum(generation.model == name for generation in self._everyone())
            if served.default:
                raise Conflict(f"{name} is the default shadow and stays")
            if users:
                raise Conflict(f"{users} requests use {name}; unload it when they are answered")
            del self._served[name]

    def _everyone(self) -> tuple[Generation, ...]:
        return (*self._active, *self._waiting)
