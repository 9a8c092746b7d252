"""The dead-man: a thread of its own that stops the dog when the agent's event loop falls silent.

Armed while an action has the dog; the loop beats once a tick. Silence is counted in the thread's
own ticks, not in seconds: a process that got no processor at all has missed no beat, a loop that
hangs while this thread runs has. What a killed process leaves is the robot's own affair: Move dies
in it within one or two seconds, one of its own tricks (a dance) goes on to its end.
"""

import logging
import threading
from collections.abc import Callable

from edge_agent.robot.interface import DRIVER_TICK_S

SILENT_TICKS = 10
"""Beats missed in a row that count as loss: half a second."""

logger = logging.getLogger(__name__)


class DeadMan:
    """Calls `halt` (`Robot.halt`: any thread, never blocks) once the beats stop coming.

    While the silence lasts it halts again every `silent_ticks` ticks. `tick` is what the thread does
    once a tick; tests call it themselves.
    """

    def __init__(self, halt: Callable[[], None], silent_ticks: int = SILENT_TICKS) -> None:
        self._halt = halt
        self._silent_ticks = silent_ticks
        self._lock = threading.Lock()
        self._armed = threading.Event()
        self._ending = threading.Event()
        self._silent = 0
        self._tripped = False
        self._thread: threading.Thread | None = None

    @property
    def tripped(self) -> bool:
        """Whether it has halted the dog since it was armed."""
        return self._tripped

    @property
    def trouble(self) -> str | None:
        """What keeps it from guarding the dog, or the loop from beating; None where nothing does."""
        if self._thread is None or not self._thread.is_alive():
            return "the dead-man's thread is gone"
        if self._armed.is_set() and self._silent >= self._silent_ticks:
            return "an action has the dog and its heartbeat has stopped"
        return None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="dead-man", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns once it is gone."""
        self._ending.set()
        self._armed.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def arm(self) -> None:
        """Expect beats from now on."""
        with self._lock:
            self._silent = 0
            self._tripped = False
            self._armed.set()

    def beat(self) -> None:
        """Say that the loop lives."""
        with self._lock:
            self._silent = 0

    def disarm(self) -> None:
        """Expect no beats any more: no action has the dog."""
        with self._lock:
            self._armed.clear()

    def tick(self) -> None:
        """Count one tick without a beat; halt the dog when there have been too many."""
        with self._lock:  # so that no halt comes after `disarm`, when another action may begin
            if not self._armed.is_set():
                return
            self._silent += 1
            if self._silent % self._silent_ticks == 0:
                self._tripped = True
                self._halt()

    def _run(self) -> None:
        while True:
            self._armed.wait()
            if self._ending.wait(DRIVER_TICK_S):
                return
            try:
                self.tick()
            except Exception:  # the root of this thread: the next tick tries again
                logger.exception("the dead-man could not halt the dog")
