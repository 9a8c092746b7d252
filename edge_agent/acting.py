"""Acting on a decision: the gate, one action at a time, and the stop that pre-empts everything."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from edge_agent.gate import Gate, Wish
from edge_agent.heartbeat import DeadMan
from edge_agent.robot.interface import DRIVER_TICK_S, Action, Progress, Robot, RobotState
from edge_agent.utterance import Utterance
from edge_agent.verdict import ConfirmationNeeded, Decision, Refusal, Replace, Wait
from shared.errors import RobotError
from shared.outcome import Call, Execution, ExecutionState
from shared.skills import Skill, Tier

STILL_TIMEOUT_S = 3.0
STILL_POLL_S = 0.02
TURN_POLL_S = 0.02
STOP_ANSWER_S = 2.0
"""How long a stop's caller waits for the robot's answer; the stop itself waits for nothing."""
ENDS_WITHIN_S = 6.0
"""How long the driver may take to end an action that was stopped, before it is cancelled."""
GIVEN_UP_AFTER_S = 2.0
"""How long it may take after that; then the utterance ends, and the dog stays taken."""
CLOSE_S = 10.0
NO_ANSWER_CODES = (3102, 3104)
"""The robot did not answer: no peer, or no reply in time."""

_PREEMPTIONS = ("stopped", "superseded", "heartbeat_lost")
"""Ends that are no fault of the dog; the others make the action a failure."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ActiveAction:
    """The action that has the dog, as the state's readers see it; times on the actor's clock."""

    wish: Wish
    say: str
    ends_by: float
    state: ExecutionState = "none"
    say_is_whole: bool = True
    """False while the line is still being worded."""
    ending: str | None = None
    """Why it was told to stop, None while it may go on."""
    ends_asked_at: float = 0.0

    def describe(self) -> dict[str, str]:
        """Return what the state shows of it."""
        return {
            "request_id": self.wish.request_id,
            "skill": self.wish.skill.name,
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
        self.dead_man = DeadMan(robot.halt)
        self._clock = clock
        self._sleep = sleep
        self._on_change = on_change
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop the dog and let go of it, within a bound where the driver blocks."""
        self._overtake()
        closing = self._spawn(self.robot.close())
        await asyncio.wait({closing}, timeout=CLOSE_S)
        self.dead_man.close()
        if closing.done():
            closing.result()

    def in_motion(self) -> bool:
        """Whether an action is under way or the robot says that it moves."""
        return self.active is not None or self.robot.state().moving

    async def perform(self, skill: Skill, utterance: Utterance) -> Execution:
        """Let `skill` through the gate and do it to its end; a refusal is an execution too."""
        if skill.name == "StopMove":
            return await self._perform_stop(utterance)
        if utterance.stopped.is_set():
            return Execution(state="preempted", reason="stopped", skill=skill.name)
        wish = Wish(
            skill,
            utterance.request_id,
            utterance.next_key(),
            utterance.deadline_at,
            from_cloud=utterance.route == "cloud",
        )
        decision = self.gate.decide(wish, self.robot.state())
        if skill.tier is Tier.SAFE and not isinstance(decision, Refusal):
            self._overtake_wishes()
            utterance.stopped = self.stopped  # a stop to everything but itself
            self.gate.confirmations.withdraw()
        if isinstance(decision, (Wait, Replace)):
            decision = await self._await_turn(wish, utterance, decision)
        utterance.mark("gate")
        if isinstance(decision, Refusal):
            return Execution(state=decision.state, reason=decision.reason, skill=skill.name)
        if isinstance(decision, ConfirmationNeeded):
            self.gate.confirmations.ask(utterance.request_id, skill)
            return Execution(state="needs_confirmation", skill=skill.name)
        return await self._run(wish, utterance)

    async def stop(self) -> list[Call]:
        """End all motion and everything that waits to move, before anything else."""
        self._overtake()
        return await self._answer(self.robot.stop())

    async def damp(self) -> list[Call]:
        """Make the motors soft at once, whatever the posture, and end everything that waits."""
        self._overtake()
        return await self._answer(self.robot.damp())

    # --- stopping --------------------------------------------------------------------------------

    def _overtake(self) -> None:
        self._overtake_wishes()
        self.gate.stop()
        self._mark_ending("stopped")

    def _overtake_wishes(self) -> None:
        """Nothing wished so far begins any more, whether it waits, is recognised or asked of the cloud."""
        self.stopped.set()
        self.stopped = asyncio.Event()

    def _end_action(self, reason: str) -> None:
        """Stop the action under way, for a reason of the agent's own."""
        self.gate.end_action()
        self._mark_ending(reason)
        self.robot.halt()

    def _mark_ending(self, reason: str) -> None:
        if self.active is not None and self.active.ending is None:
            self.active.ending = reason
            self.active.ends_asked_at = self._clock()

    async def _answer(self, stopping: Coroutine[Any, Any, list[Call]]) -> list[Call]:
        """Return the calls of a stop, none where the driver does not answer in time."""
        task = self._spawn(stopping)
        await asyncio.wait({task}, timeout=STOP_ANSWER_S)
        return task.result() if task.done() else []

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # a task that nobody holds may vanish
        task.add_done_callback(self._tasks.discard)
        return task

    # --- the turn --------------------------------------------------------------------------------

    async def _await_turn(self, wish: Wish, utterance: Utterance, decision: Decision) -> Decision:
        """Wait in the one place until the wish may start, or has lost its turn."""
        self.gate.take_place(wish)
        gives_up_at = min(wish.expires_at, self._clock() + self.gate.policy.wait_s)
        try:
            while isinstance(decision, (Wait, Replace)):
                if isinstance(decision, Replace):
                    self._end_action("superseded")
                await asyncio.sleep(TURN_POLL_S)
                if utterance.stopped.is_set():
                    return Refusal("stopped", "a stop came meanwhile")
                if not self.gate.holds_place(wish):
                    return Refusal("superseded", "a newer wish came meanwhile")
                decision = self.gate.decide(wish, self.robot.state())
                if isinstance(decision, (Wait, Replace)) and self._clock() > gives_up_at:
                    return Refusal("busy", "what is under way took too long")
            return decision
        finally:
            self.gate.leave_place(wish)

    # --- the action ------------------------------------------------------------------------------

    async def _run(self, wish: Wish, utterance: Utterance) -> Execution:
        self.gate.begin(wish)
        limit_s = self.gate.policy.action_limit_s
        active = ActiveAction(wish, utterance.say, ends_by=self._clock() + limit_s)
        active.say_is_whole = bool(active.say)
        self.active = active
        self.dead_man.arm()
        offset_ms = utterance.elapsed_ms()
        performing = self._spawn(self._perform(active, utterance))
        performing.add_done_callback(lambda _: self._free(active))  # also where it never began
        try:
            self._on_change()
            while not performing.done():
                await asyncio.wait({performing}, timeout=DRIVER_TICK_S)
                if not performing.done() and not self._supervise(active, performing):
                    return Execution(
                        state="failed", reason="robot_unavailable", skill=wish.skill.name
                    )
        except BaseException:  # nobody would watch over it
            performing.cancel()
            raise
        execution = self._judge(active, _result(performing))
        if execution.state == "confirmed":
            utterance.mark_once("acknowledged")
            utterance.mark("confirmed")
        calls = utterance.since_arrival(execution.calls, offset_ms)
        return execution.model_copy(update={"skill": wish.skill.name, "calls": calls})

    async def _perform(self, active: ActiveAction, utterance: Utterance) -> Execution:
        if active.ending is not None or self.dead_man.tripped:
            # The task starts a turn of the loop later, and a stop may have come meanwhile.
            return Execution(state="preempted")

        def report(progress: Progress) -> None:
            active.state = progress.state
            if progress.state in ("accepted", "moving", "confirmed"):
                utterance.mark_once("acknowledged")
            self._on_change()

        wish = active.wish
        action = Action(wish.skill.name, wish.key, wish.expires_at)
        try:
            return await self.robot.perform(action, report)
        finally:
            self._free(active)

    def _free(self, active: ActiveAction) -> None:
        """The driver has ended the action, so that another may begin."""
        if self.active is not active:
            return
        if self.dead_man.tripped:
            self._lose_heartbeat()
        self.active = None
        self.dead_man.disarm()
        self.gate.ended()
        self._on_change()

    def _lose_heartbeat(self) -> None:
        """The loop hung and the dog was halted: nothing wished before that moves it afterwards."""
        self._mark_ending("heartbeat_lost")
        self._overtake()

    def _supervise(self, active: ActiveAction, performing: "asyncio.Task[Execution]") -> bool:
        """Look once a tick whether the action may go on; False where it cannot even be ended."""
        self.dead_man.beat()
        now = self._clock()
        if active.ending is None:
            refusal = self.gate.supervise(self.robot.state())
            if self.dead_man.tripped:
                self._lose_heartbeat()
            elif refusal is not None:
                self._end_action(refusal.reason)
            elif now > active.ends_by:
                self._end_action("overdue")
            return True
        late_s = now - active.ends_asked_at - ENDS_WITHIN_S
        if late_s > GIVEN_UP_AFTER_S:
            logger.error("the driver does not end %s; no skill goes before", active.wish.skill.name)
            return False  # the dead-man, which gets no beats now, goes on stopping the dog
        if late_s > 0:
            performing.cancel()
        return True

    def _judge(self, active: ActiveAction, execution: Execution) -> Execution:
        """Return the driver's word on the action, corrected by what the agent knows better."""
        if execution.state == "confirmed" and not self.gate.is_fresh(self.robot.state()):
            return execution.model_copy(update={"state": "accepted", "reason": "state_stale"})
        if execution.state != "preempted" or active.ending is None:
            return execution
        state = "preempted" if active.ending in _PREEMPTIONS else "failed"
        return execution.model_copy(update={"state": state, "reason": active.ending})

    # --- the skill StopMove ----------------------------------------------------------------------

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
            state = self.robot.state()
            if self.gate.is_fresh(state) and _is_still(state, waited_s):
                return True
            if waited_s >= STILL_TIMEOUT_S:
                return False
            await self._sleep(STILL_POLL_S)


def _result(performing: "asyncio.Task[Execution]") -> Execution:
    """Return what the driver says of the action; an error of the robot's is a failed one."""
    if performing.cancelled():
        return Execution(state="preempted")
    try:
        return performing.result()
    except RobotError as error:
        return Execution(state="failed", reason=error.code)


def _is_still(state: RobotState, since_s: float) -> bool:
    return state.age_s is not None and state.age_s <= since_s and not state.moving
