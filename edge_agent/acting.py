"""Acting on a decision: the gate, one action at a time, and the stop that pre-empts everything."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edge_agent.gate import ConfirmationNeeded, Gate, Refusal
from edge_agent.robot.interface import Action, Progress, Robot, RobotState
from edge_agent.utterance import Utterance
from shared.errors import RobotError
from shared.outcome import Call, Execution, ExecutionState
from shared.skills import Skill

STILL_TIMEOUT_S = 3.0
STILL_POLL_S = 0.02
NO_ANSWER_CODES = (3102, 3104)
"""The robot did not answer: no peer, or no reply in time."""


@dataclass
class ActiveAction:
    """The action under way, as the state's readers see it."""

    request_id: str
    skill: str
    say: str
    state: ExecutionState = "none"
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self) -> dict[str, str]:
        """Return what the state shows of it."""
        return {
            "request_id": self.request_id,
            "skill": self.skill,
            "say": self.say,
            "state": self.state,
        }


class Actor:
    """Puts decisions into motion; `on_change` is called whenever the action under way changes."""

    def __init__(
        self,
        robot: Robot,
        gate: Gate,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.robot = robot
        self.gate = gate
        self.active: ActiveAction | None = None
        self.stopped = asyncio.Event()
        self._clock = clock
        self._sleep = sleep
        self._on_change = on_change

    def in_motion(self) -> bool:
        """Whether an action is under way or the robot says that it moves."""
        return self.active is not None or self.robot.state().moving

    async def perform(
        self, skill: Skill, utterance: Utterance, *, confirmed: bool = False
    ) -> Execution:
        """Let `skill` through the gate and do it to its end; a refusal is an execution too."""
        if skill.name == "StopMove":
            return await self._perform_stop(utterance)
        if not utterance.stopped.is_set() and skill.name == "Damp":
            await self._clear_the_way(utterance)
        if utterance.stopped.is_set():
            return Execution(state="preempted", reason="stopped", skill=skill.name)
        decision = self.gate.check(
            skill, self.robot.state(), self.active is not None, confirmed, utterance.deadline_at
        )
        utterance.mark("gate")
        if isinstance(decision, Refusal):
            state: ExecutionState = "expired" if decision.reason == "expired" else "refused"
            return Execution(state=state, reason=decision.reason, skill=skill.name)
        if isinstance(decision, ConfirmationNeeded):
            self.gate.confirmations.ask(utterance.request_id, skill)
            return Execution(state="needs_confirmation", skill=skill.name)
        return await self._run(skill, utterance)

    async def stop(self) -> list[Call]:
        """End all motion and everything that waits to move, before anything else."""
        self._overtake()
        return await self.robot.stop()

    async def damp(self) -> list[Call]:
        """Make the motors soft at once, whatever the posture, and end everything that waits."""
        self._overtake()
        return await self.robot.damp()

    def _overtake(self) -> None:
        self.stopped.set()
        self.stopped = asyncio.Event()
        self.gate.confirmations.withdraw()

    async def _clear_the_way(self, utterance: Utterance) -> None:
        """Stop the action under way, on behalf of `utterance`, and wait until it has ended."""
        if self.active is None:
            return
        self._overtake()
        utterance.stopped = self.stopped  # its own stop does not overtake it, a later one does
        await self.robot.stop()
        while self.active is not None:
            await self.active.done.wait()

    async def _run(self, skill: Skill, utterance: Utterance) -> Execution:
        active = ActiveAction(utterance.request_id, skill.name, utterance.say)
        self.active = active
        self._on_change()
        offset_ms = utterance.elapsed_ms()

        def report(progress: Progress) -> None:
            active.state = progress.state
            if progress.state in ("accepted", "moving", "confirmed"):
                utterance.mark_once("acknowledged")
            self._on_change()

        try:
            execution = await self.robot.perform(
                Action(skill.name, utterance.next_key(), utterance.deadline_at), report
            )
        except RobotError as error:
            execution = Execution(state="failed", reason=error.code, skill=skill.name)
        finally:
            self.active = None
            active.done.set()
            self._on_change()
        if execution.state == "confirmed":
            utterance.mark_once("acknowledged")
            utterance.mark("confirmed")
        calls = utterance.since_arrival(execution.calls, offset_ms)
        return execution.model_copy(update={"skill": skill.name, "calls": calls})

    async def _perform_stop(self, utterance: Utterance) -> Execution:
        utterance.mark("gate")  # nothing to check: stopping is the one unconditional action
        offset_ms = utterance.elapsed_ms()
        try:
            calls = utterance.since_arrival(await self.stop(), offset_ms)
        except RobotError as error:
            return Execution(state="failed", reason=error.code, skill="StopMove")
        failed = [call for call in calls if call.code not in (0, None)]
        if failed or not calls:
            silent = not calls or failed[0].code in NO_ANSWER_CODES
            reason = "robot_unavailable" if silent else "robot_rejected"
            return Execution(state="failed", reason=reason, skill="StopMove", calls=calls)
        utterance.mark_once("acknowledged")
        if not await self._stands_still():
            return Execution(state="accepted", skill="StopMove", calls=calls)
        utterance.mark("confirmed")
        return Execution(state="confirmed", skill="StopMove", calls=calls)

    async def _stands_still(self) -> bool:
        """Return whether, within a time, a state younger than now says that the dog is still."""
        answered_at = self._clock()
        while True:
            waited_s = self._clock() - answered_at
            if _is_still(self.robot.state(), waited_s):
                return True
            if waited_s >= STILL_TIMEOUT_S:
                return False
            await self._sleep(STILL_POLL_S)


def _is_still(state: RobotState, since_s: float) -> bool:
    fresh = state.connected and state.age_s is not None and state.age_s <= since_s
    return fresh and not state.moving
