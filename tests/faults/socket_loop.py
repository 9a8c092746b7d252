"""A virtual loop on which real sockets work: time passes only when no socket and no timer has work."""

from typing import Any

from tests.edge_agent.virtual_time import MANY_TURNS, VirtualLoop


class SocketLoop(VirtualLoop):
    """For Unix sockets between tasks of this very loop: what one side sends, the other side has at once.

    `do` jumps from timer to timer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._happened = 0

    def _process_events(self, event_list: Any) -> None:
        self._happened += len(event_list)
        super()._process_events(event_list)  # type: ignore[misc]

    def settle(self) -> None:
        """Run what is ready, due or has come over a socket until nothing is."""
        for _ in range(MANY_TURNS):
            before, had_work = self._happened, bool(self._ready) or self._due()  # type: ignore[attr-defined]
            self.stop()  # one turn without waiting
            self.run_forever()
            if not had_work and self._happened == before and not self._ready:  # type: ignore[attr-defined]
                return
        raise AssertionError("the loop never comes to rest: something spins")

    def do(self, work: Any, within_s: float = 300.0) -> Any:
        """Run a coroutine to its end, jumping from timer to timer; return its result."""
        task = self.create_task(work)
        self.settle()
        gives_up_at = self.now + within_s
        while not task.done():
            assert self.now < gives_up_at, "it never ends"
            self.now = max(self.now, min(self.next_timer_at(), gives_up_at))
            self.settle()
        return task.result()
