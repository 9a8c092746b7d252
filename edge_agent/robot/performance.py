"""One action from its first call to the robot's own proof of its end, or to an orderly stop.

The states told on the way are separate facts: `sent` when a call is on its way, `accepted` when the
robot has acknowledged one, `moving` when its state shows motion, `confirmed` when its state shows
the end. Dead-man: without fresh state nothing goes on, and Move dies in the robot by itself when
this process does.
"""

import asyncio
from collections.abc import Callable

from edge_agent.robot.action_watch import (
    SETTLE_S,
    STATE_LOST_S,
    TICK_S,
    ActionWatch,
    Ended,
    failed,
)
from edge_agent.robot.choreography import (
    Call,
    Choreography,
    Drive,
    Hold,
    Step,
    TurnBy,
    Wait,
    preparation,
)
from edge_agent.robot.interface import Action, Progress, RobotState
from edge_agent.robot.motion import Motion
from edge_agent.robot.sport_service import (
    CODE_NOT_IMPLEMENTED,
    CODE_OK,
    DAMP,
    STOP_MOVE,
    CallLog,
    SportService,
    failure_reason,
)
from edge_agent.robot.state_monitor import StateMonitor
from edge_agent.robot.state_tracker import MODE_BALANCED, says_damped
from shared.outcome import Execution, ExecutionState

QUIET_S = 0.4
BEGIN_S = 2.0
ASK_AGAIN_S = 1.5
END_S = 5.0
REST_S = 3.0


class Performance:
    """The action being performed; `run` once, `preempt` from anywhere on the event loop.

    `clock` is the event loop's, on which the action's expiry lies too.
    """

    def __init__(
        self,
        service: SportService,
        monitor: StateMonitor,
        action: Action,
        choreography: Choreography,
        report: Callable[[Progress], None],
        log: CallLog,
        clock: Callable[[], float],
    ) -> None:
        self._service = service
        self._monitor = monitor
        self._action = action
        self._choreography = choreography
        self._log = log
        self._clock = clock
        self._watch = ActionWatch(monitor, report, log, clock, choreography.from_fall)
        self._motion = Motion(service, self._watch, log)
        self._reason: str | None = None
        self._soft = False

    @property
    def preempted(self) -> bool:
        """Whether a stop has ended this action, or is about to."""
        return self._watch.preempted

    def preempt(self, by: tuple[str, int] = STOP_MOVE) -> None:
        """Let the action end as preempted; the caller sends `by`, STOP_MOVE or DAMP, at once."""
        self._watch.preempt(by)

    def halt(self) -> None:
        """Let nothing more be sent, from any thread; the action ends as preempted."""
        self._watch.halt()

    async def run(self) -> Execution:
        """Perform the action and return what came of it; the dog is still or failed afterwards."""
        try:
            await self._perform()
            return self._execution("confirmed", self._reason)
        except Ended as end:
            if end.state == "preempted":
                await self._come_to_rest()
            elif end.state == "failed":
                await self._leave_still(end.reason)
            return self._execution(end.state, end.reason)
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon())
            raise

    def _execution(self, state: ExecutionState, reason: str | None) -> Execution:
        return Execution(
            state=state, reason=reason, skill=self._action.skill, calls=list(self._log.calls)
        )

    # --- the action ----------------------------------------------------------------------------

    async def _perform(self) -> None:
        unconditional = self._action.skill == "StopMove"
        if not unconditional:
            self._check_expiry()
            state = self._watch.fresh_state()
            balanced = state.mode == MODE_BALANCED
            for call in preparation(self._choreography.start, state.posture, balanced):
                await self._call(call)
            self._check_expiry()  # standing up takes seconds
        for step in self._choreography.steps:
            await self._step(step)
        await self._confirm()
        self._watch.advance("confirmed")

    async def _step(self, step: Step) -> None:
        if isinstance(step, Call):
            await self._call(step)
        elif isinstance(step, Hold):
            await self._motion.hold(step)
        elif isinstance(step, Drive):
            await self._motion.drive(step)
        elif isinstance(step, TurnBy):
            await self._motion.turn(step)
        elif isinstance(step, Wait):
            await self._watch.pause(step.seconds)

    async def _call(self, step: Call) -> None:
        code = await self._watch.send(self._ask(step))
        if code == CODE_NOT_IMPLEMENTED and step.if_unsupported is not None:
            self._reason = "fallback_used"
            for instead in step.if_unsupported:
                await self._step(instead)
            return
        if code != CODE_OK:
            raise failed(failure_reason(code))
        self._watch.advance("accepted")
        await self._reach(step)

    async def _ask(self, step: Call) -> int:
        self._soft = self._soft and step.name == DAMP[0]
        code = await self._service.call(step, self._log)
        if code == CODE_OK and step.name == DAMP[0]:
            self._soft = True  # whether or not the action still waits for it
        return code

    async def _confirm(self) -> None:
        end = self._choreography.end
        if end is not None:
            await self._watch.hold_true(
                lambda state: _shows(state, end) and not state.moving, END_S
            )
        self._motion.confirm()

    # --- waiting ---------------------------------------------------------------------------------

    async def _reach(self, step: Call) -> None:
        until = step.until
        if until == "still":
            await self._watch.hold_true(lambda state: not state.moving, step.timeout_s)
        elif until == "performed":
            begins_by = self._clock() + BEGIN_S
            while not self._watch.performing(self._watch.fresh_state()):
                if self._clock() > begins_by:
                    raise failed("not_confirmed")
                await self._watch.pause(TICK_S)
            await self._watch.hold_true(
                lambda state: not self._watch.performing(state), step.timeout_s, QUIET_S
            )
        elif until != "acknowledged":
            await self._reach_posture(step)

    async def _reach_posture(self, step: Call) -> None:
        """Wait for the posture; ask once more where a busy dog took the call and did not stir."""
        state = self._watch.fresh_state()
        stays_by = self._clock() + ASK_AGAIN_S
        while not _shows(state, step.until) and not state.moving:
            if self._clock() > stays_by:
                await self._watch.send(self._ask(step))
                break
            await self._watch.pause(TICK_S)
            state = self._watch.fresh_state()
        await self._watch.hold_true(
            lambda state: _shows(state, step.until) and not state.moving, step.timeout_s
        )

    def _check_expiry(self) -> None:
        if self._clock() > self._action.expires_at:
            raise Ended("expired", "expired")

    # --- ending early ----------------------------------------------------------------------------

    async def _come_to_rest(self) -> None:
        """Outlive the call that was on its way when the stop came, then stop again and wait.

        The stop runs on a line of its own, so a Move sent before it may reach the dog after it.
        A dog that tells nothing any more cannot be seen to rest.
        """
        if self._watch.in_flight is not None:
            await asyncio.wait({self._watch.in_flight})
        if self._watch.state != "none" and (
            self._watch.stopped_by == STOP_MOVE or self._watch.in_flight is not None
        ):
            await self._urge(self._watch.stopped_by)
        rests_by = self._clock() + REST_S
        moved_at = self._clock()
        while (now := self._clock()) < min(rests_by, moved_at + SETTLE_S):
            state = self._monitor.state()
            if state.age_s is None or state.age_s > STATE_LOST_S:
                return
            if state.moving:
                moved_at = now
            await asyncio.sleep(TICK_S)

    async def _abandon(self) -> None:
        await self._urge(STOP_MOVE)
        await self._come_to_rest()

    async def _leave_still(self, reason: str | None) -> None:
        """Stop the dog, unless the first call was refused and nothing was begun."""
        begun = self._watch.state not in ("none", "sent")
        if begun or (self._watch.state == "sent" and not _is_refusal(reason)):
            await self._urge(STOP_MOVE)

    async def _urge(self, call: tuple[str, int]) -> None:
        """Make the call, but no StopMove to a dog that has gone soft: its legs might stiffen."""
        if call == DAMP or not self._soft:
            await self._service.urgent(call, self._log)


def _shows(state: RobotState, posture: str) -> bool:
    """Whether the state shows the posture; a dog may go soft on its side and then lies fallen."""
    return state.posture == posture or (posture == "damped" and says_damped(state))


def _is_refusal(reason: str | None) -> bool:
    """Whether the robot itself has said that it does nothing."""
    return reason is not None and reason.startswith(("unsupported_", "call_rejected_"))
