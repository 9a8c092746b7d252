"""What happens around an action's steps: sending, waiting, watching the state, noticing a stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from edge_agent.robot.interface import DRIVER_TICK_S, Progress, RobotState
from edge_agent.robot.sport_service import CODE_OK, STOP_MOVE, CallLog
from edge_agent.robot.state_monitor import StateMonitor
from shared.outcome import ExecutionState

STATE_LOST_S = 1.0
TICK_S = 0.02
SETTLE_S = 0.2

_ORDER: tuple[ExecutionState, ...] = ("none", "sent", "accepted", "moving", "confirmed")


class Ended(Exception):
    """Leaves an action early: the state and the reason that it ends with."""

    def __init__(self, state: ExecutionState, reason: str | None = None) -> None:
        super().__init__(state)
        self.state: ExecutionState = state
        self.reason = reason


def failed(reason: str) -> Ended:
    """Return the end of an action that failed for `reason`."""
    return Ended("failed", reason)


class ActionWatch:
    """One action's view of the robot: every wait ends at once when a stop comes.

    `state` is the furthest of sent, accepted, moving, confirmed so far; each is told once. `clock`
    is the event loop's. `from_fall` lets the action go on while the robot lies on its side.
    """

    def __init__(
        self,
        monitor: StateMonitor,
        report: Callable[[Progress], None],
        log: CallLog,
        clock: Callable[[], float],
        from_fall: bool = False,
    ) -> None:
        self.state: ExecutionState = "none"
        self.stopped_by = STOP_MOVE
        self.in_flight: asyncio.Task[int] | None = None
        self.clock = clock
        self._monitor = monitor
        self._report = report
        self._log = log
        self._from_fall = from_fall
        self._session: int | None = None
        self._stop_asked = asyncio.Event()
        self._halted = False  # a plain flag, since an asyncio event belongs to its loop's thread

    @property
    def preempted(self) -> bool:
        """Whether a stop has been asked for."""
        return self._halted or self._stop_asked.is_set()

    def halt(self) -> None:
        """Let nothing more be sent, from any thread; waits end at their next look, within a tick."""
        self._halted = True

    def preempt(self, by: tuple[str, int]) -> None:
        """End every wait; `by` is the call, STOP_MOVE or DAMP, that whoever stops makes at once."""
        if by != STOP_MOVE or not self.preempted:
            self.stopped_by = by
        self._stop_asked.set()

    def advance(self, state: ExecutionState) -> None:
        """Tell a state that lies further than the last one."""
        if _ORDER.index(state) > _ORDER.index(self.state):
            self.state = state
            self._report(Progress(state, self._log.calls))

    async def send(self, call: Coroutine[Any, Any, int]) -> int:
        """Make a call and return its code; a stop does not wait for the reply."""
        if self.preempted:
            call.close()
            raise Ended("preempted")
        self.in_flight = task = asyncio.ensure_future(self._unless_preempted(call))
        self.advance("sent")
        stop = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self.preempted:
            raise Ended("preempted")
        self.in_flight = None
        return task.result()

    async def _unless_preempted(self, call: Coroutine[Any, Any, int]) -> int:
        # The task starts a turn of the loop later, and a stop may have come meanwhile.
        if self.preempted:
            call.close()
            return CODE_OK  # nobody looks at it: `send` raises
        return await call

    async def pause(self, seconds: float) -> None:
        """Let time pass, looking every tick; a lost state ends the action, a first motion is told."""
        ends_at = self.clock() + seconds
        left_s = seconds
        while True:
            await self._look_after(min(left_s, DRIVER_TICK_S))
            if left_s <= DRIVER_TICK_S:
                return
            left_s = ends_at - self.clock()

    async def _look_after(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        except asyncio.TimeoutError:
            if not self.preempted:
                self.fresh_state()
                return
        raise Ended("preempted")

    def fresh_state(self) -> RobotState:
        """Return the robot's state; the action ends where it proves nothing."""
        state = self._monitor.state()
        tracker = self._monitor.tracker
        if not state.connected or state.age_s is None:
            raise failed("robot_unavailable")
        if state.age_s > STATE_LOST_S:
            raise failed("state_stale")
        self._session = self._session or tracker.session
        if tracker.session != self._session:
            raise failed("robot_restarted")
        if tracker.silent:
            raise failed("sport_service_off")
        if state.posture == "fallen" and not self._from_fall:
            raise failed("posture_fallen")
        if state.moving and self.state in ("sent", "accepted"):
            self.advance("moving")
        return state

    def performing(self, state: RobotState) -> bool:
        """Whether the dog moves or says that it is within one of its own tricks."""
        return state.moving or self._monitor.tracker.progress > 0.0

    async def hold_true(
        self, wanted: Callable[[RobotState], bool], timeout_s: float, for_s: float = SETTLE_S
    ) -> None:
        """Wait until states newer than this call have shown what is wanted for `for_s` seconds."""
        asked_at = self.clock()
        since: float | None = None
        while True:
            state = self.fresh_state()
            now = self.clock()
            if not wanted(state) or self._monitor.tracker.received_at < asked_at:
                since = None
            elif since is None:
                since = now
            elif now - since >= for_s:
                return
            if now - asked_at > timeout_s:
                raise failed("not_confirmed")
            await self.pause(TICK_S)
