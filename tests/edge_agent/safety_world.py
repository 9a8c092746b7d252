"""A world for the safety property: a dog, its driver, a cloud, a clock, and an oracle that watches them.

The agent, the actor and the gate in it are the real ones. The oracle knows nothing of their rules: it
sees what the driver is told, what the dog does and what was said, and writes down each violation.
"""

import asyncio
import dataclasses
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from edge_agent.agent import Agent, AgentOptions
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.robot.interface import DRIVER_TICK_S, Action, Progress, RobotState
from edge_agent.routing import CircuitBreaker
from shared.errors import Busy, CloudTimeout, CloudUnreachable, Conflict, NotFound
from shared.messages import IntentReply, IntentRequest, IntentTimings, Usage
from shared.outcome import Call, Execution, Outcome
from shared.skills import Tier, skill
from shared.tags import REMOTE, print_tag
from tests.edge_agent.virtual_time import VirtualLoop

TWO_TICKS_S = 2 * DRIVER_TICK_S + 0.005  # and a little for floating point
HEARTBEAT_S = 12 * DRIVER_TICK_S + 0.005  # ten silent ticks, then two to act
UTTERANCE_LIMIT_S = 100.0  # deadline, wait, one action at its longest, and its end
ACTION_LIMIT_S = 60.0
CONFIRMATION_S = 10.0
MOVE_DIES_AFTER_S = 1.0

WORDS = {
    "limp": "Damp",
    "cease": "StopMove",
    "sit": "Sit",
    "lie": "StandDown",
    "recover": "RecoveryStand",
    "dance": "Dance",
    "turn": "TurnLeft",
    "flip": "FrontFlip",
    "jump": "FrontJump",
}
DURATIONS_S = {"Dance": 8.0, "TurnLeft": 2.5, "RecoveryStand": 3.0}
ENDS = {"Damp": "damped", "Sit": "sitting", "StandDown": "lying"}
READY: dict[str, Any] = {
    "posture": "standing",
    "battery_percent": 80.0,
    "motor_temperature_c": 40.0,
}


class Dog:
    """The body: moves while it is told to, stops when told to, and says how it is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.facts = dict(READY)
        self.last_word: tuple[float, RobotState] | None = None
        self.age_is_nan = False
        self.lost_at = -math.inf
        self.moves_until = -math.inf
        self.stray_until = -math.inf
        self.reachable = True

    @property
    def moves_for_us(self) -> bool:
        return self.clock() < self.moves_until

    def state(self) -> RobotState:
        if self.last_word is None:
            return self._tell(0.0)
        age_s = self.clock() - self.last_word[0]
        told = math.nan if self.age_is_nan else age_s
        return dataclasses.replace(self.last_word[1], connected=age_s <= 2.0, age_s=told)

    def _tell(self, age_s: float) -> RobotState:
        moving = self.moves_for_us or self.clock() < self.stray_until
        told = math.nan if self.age_is_nan else age_s
        return RobotState(True, told, moving=moving, **self.facts)

    def fall_silent(self) -> None:
        if self.last_word is None:
            self.last_word = self.clock(), self._tell(0.0)

    def rest(self) -> None:
        self.moves_until = -math.inf


class Driver:
    """The Robot protocol over the dog, with a real driver's faults."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.dog = world.dog
        self.owner: Action | None = None
        self.stop_asked = False
        self.stop_arrived = False
        self.fault = "none"
        self.answers_after_s = 0.0

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    def state(self) -> RobotState:
        return self.dog.state()

    async def perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        self.world.oracle.on_perform(action, self.owner)
        self.owner, self.stop_asked = action, False
        try:
            return await self._perform(action, report)
        finally:
            self.owner = None

    async def _perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        report(Progress("sent", ()))
        if self.fault == "blocked":
            await asyncio.sleep(4.0)
        if self.fault == "wedged":
            await self._ignore_everything()
        if self.fault == "rejecting":
            return Execution(state="failed", reason="call_rejected_3204", skill=action.skill)
        ends_at = math.inf if self.fault == "endless" else self._duration_s(action)
        call = Call(api_id=1, name=action.skill, parameter={}, code=0, at_ms=0.0)
        report(Progress("accepted", (call,)))
        first = True
        while self.world.clock() < ends_at:
            if self.stop_asked:
                return Execution(state="preempted", skill=action.skill, calls=[call])
            if not self.dog.state().connected and self.fault != "lying":
                self._stop_dog()
                return Execution(state="failed", reason="robot_unavailable", calls=[call])
            self._command(action, first)
            first = False
            await asyncio.sleep(DRIVER_TICK_S)
        return self._finish(action, call)

    def _duration_s(self, action: Action) -> float:
        return self.world.clock() + DURATIONS_S.get(action.skill, 1.5)

    def _command(self, action: Action, first: bool) -> None:
        self.world.oracle.on_command(action)
        if self.fault == "deaf" or not self.dog.reachable:
            return
        if action.skill == "TurnLeft":  # Move, which dies by itself
            self.dog.moves_until = self.world.clock() + MOVE_DIES_AFTER_S
        elif first:  # one of the dog's own tricks, which goes on by itself
            self.dog.moves_until = self.world.clock() + DURATIONS_S.get(action.skill, 1.5)

    def _finish(self, action: Action, call: Call) -> Execution:
        self._stop_dog()
        end = ENDS.get(action.skill, "standing")
        if self.fault != "deaf" and self.dog.reachable and self.dog.last_word is None:
            self.dog.facts["posture"] = end
        if self.fault == "claiming":  # the state is lost in the very moment of the end
            self.dog.age_is_nan, self.dog.lost_at = True, self.world.clock()
            return Execution(state="confirmed", skill=action.skill, calls=[call])
        state = self.dog.state()
        shown = state.connected and state.posture == end and not state.moving
        if shown or self.fault == "lying":
            return Execution(state="confirmed", skill=action.skill, calls=[call])
        return Execution(state="failed", reason="not_confirmed", calls=[call])

    async def _ignore_everything(self) -> None:
        while self.fault == "wedged":
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue

    async def stop(self) -> list[Call]:
        return await self._make_safe("StopMove", 1003)

    async def damp(self) -> list[Call]:
        return await self._make_safe("Damp", 1001)

    async def _make_safe(self, name: str, api_id: int) -> list[Call]:
        self.halt()
        await asyncio.sleep(self.answers_after_s)
        code = 0 if self.dog.reachable else 3104
        return [Call(api_id=api_id, name=name, parameter={}, code=code, at_ms=0.0)]

    def halt(self) -> None:
        self.stop_asked = True
        self.stop_arrived = self.dog.reachable
        self.world.oracle.on_stop_told()
        self._stop_dog()

    def _stop_dog(self) -> None:
        if self.dog.reachable:
            self.dog.rest()


class Cloud:
    """Answers as planned: after so long, with these skills or an error."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.after_s = 0.5
        self.skills: list[str] = []
        self.cut = False
        self.overstays = False

    async def ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None] = lambda _: None,
    ) -> IntentReply:
        if self.cut:
            raise CloudUnreachable("cut")
        planned, skills, overstays = self.after_s, list(self.skills), self.overstays
        if planned > deadline_s and not overstays:
            await asyncio.sleep(deadline_s)
            raise CloudTimeout("late")
        await asyncio.sleep(planned)
        return IntentReply(
            request_id=request.request_id,
            model="fake",
            say="So be it [FrontFlip()]",
            skills=skills,
            finish_reason="stop",
            usage=Usage(prompt_tokens=1, completion_tokens=1),
            timings_ms=IntentTimings(queue=0, first_token=1, total=2),
        )

    async def close(self) -> None: ...


class Recognizer:
    """Knows the words of WORDS."""

    manifest: Any = SimpleNamespace(name="fake", fingerprint="f" * 64)

    def decide(self, text: str) -> Any:
        name = next((WORDS[word] for word in WORDS if word in text), None)
        tag = print_tag(name) if name else REMOTE
        posterior = SimpleNamespace(ranked=[])
        return SimpleNamespace(
            tag=tag, probability=0.9, confidence=0.9, seconded=0.9, posterior=posterior
        )


@dataclasses.dataclass
class _Said:
    """Something that a person said or clicked, in the order of all such things."""

    order: int
    at: float


class Oracle:
    """What must never happen, judged from outside."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.violations: list[str] = []
        self.order = 0
        self.said: dict[str, _Said] = {}
        self.asked: tuple[str, str, float, int] | None = None
        self.agreed: list[tuple[str, str | None]] = []
        self.stop_order = 0
        self.stop_due: float | None = None
        self.soft_order = 0
        self.begun: dict[str, tuple[float, int]] = {}
        self.unsafe_since: float | None = None
        self.actions = 0

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            self.violations.append(f"{self.world.clock():.2f} s: {what}")

    # --- what was said and answered ----------------------------------------------------------

    def on_said(self, request_id: str) -> None:
        self.order += 1
        self.said[request_id] = _Said(self.order, self.world.clock())

    def on_stop(self) -> None:
        """A stop was given, by whichever way; the driver must be told within two ticks."""
        self.order += 1
        self.stop_order = self.order
        self.asked = None
        self.agreed = []
        self.stop_due = self.world.clock() + TWO_TICKS_S

    def on_agreed(self, request_id: str, name: str) -> None:
        """A person agreed to the skill in time: request_id may do it, once."""
        asked = self.asked
        if asked and asked[1] == name and self.world.clock() - asked[2] <= CONFIRMATION_S:
            self.agreed.append((name, request_id))

    def on_outcome(self, outcome: Outcome) -> None:
        done = outcome.execution
        if done.state == "needs_confirmation" and done.reason is None:
            assert done.skill is not None
            self.asked = (outcome.request_id, done.skill, self.world.clock(), self.order)
            self.agreed = []
        said_why = done.state not in ("preempted", "refused", "failed") or done.reason
        self.check(bool(said_why), f"{done.skill} is {done.state} for no reason")
        if done.state == "confirmed":
            state = self.world.dog.state()
            fresh = state.connected and state.age_s is not None and state.age_s <= 1.0
            if done.skill == "StopMove":  # it may have been seen a moment before in this instant
                fresh = fresh or self.world.dog.lost_at == self.world.clock()
            self.check(fresh, f"{done.skill} is confirmed by a state of age {state.age_s}")
            if done.skill == "StopMove":
                begins = any(at == self.world.clock() for at, _ in self.begun.values())
                self.check(begins or not state.moving, "a stop is confirmed while the dog moves")

    # --- what the driver is told ---------------------------------------------------------------

    def on_perform(self, action: Action, owner: Action | None) -> None:
        now = self.world.clock()
        self.actions += 1
        self.check(owner is None, f"{action.skill} begins while {owner} has the dog")
        self.check(now <= action.expires_at, f"{action.skill} begins after its expiry")
        self.check(action.key not in self.begun, f"{action.key} begins twice")
        self.begun[action.key] = (now, self.order)
        said = self.said[action.key.split("/")[0]]
        self.check(said.order > self.stop_order, f"{action.skill}, wished before a stop, begins")
        self.check(said.order >= self.soft_order, f"{action.skill}, wished before Damp, begins")
        if action.skill == "Damp":
            self.soft_order = said.order
        reason = self._unsafe(action.skill, self.world.dog.state(), starting=True)
        self.check(reason is None, f"{action.skill} begins though {reason}")
        if skill(action.skill).tier is Tier.DANGEROUS:
            self._check_agreed(action)

    def _check_agreed(self, action: Action) -> None:
        self.check(self.world.allow_dangerous, f"{action.skill} begins though it is switched off")
        asked, consent = self.asked, (action.skill, action.key.split("/")[0])
        self.check(consent in self.agreed, f"{action.skill} begins without a person's yes")
        late = asked is None or self.world.clock() - asked[2] > CONFIRMATION_S
        self.check(not late, f"{action.skill} begins too long after its question")
        self.asked, self.agreed = None, []

    def on_command(self, action: Action) -> None:
        begun_at, order = self.begun[action.key]
        stopped = order < self.stop_order and self.stop_due is None
        self.check(not stopped, f"{action.skill} is commanded after a stop")
        late = self.world.clock() > begun_at + ACTION_LIMIT_S + TWO_TICKS_S
        self.check(not late, f"{action.skill} is still commanded after its limit")

    def on_stop_told(self) -> None:
        self.stop_due = None

    # --- what is looked at in every moment -----------------------------------------------------

    def look(self) -> None:
        now = self.world.clock()
        if self.stop_due is not None and now > self.stop_due:
            self.check(False, "a stop did not reach the driver within two ticks")
            self.stop_due = None
        self._look_at_motion(now)

    def _look_at_motion(self, now: float) -> None:
        driver, dog = self.world.driver, self.world.dog
        if driver.owner is None or driver.stop_asked:
            self.unsafe_since = None
            defies = dog.moves_for_us and driver.stop_asked and driver.stop_arrived
            self.check(not defies, "the dog moves though it was told to stop")
            return
        limit_s = HEARTBEAT_S if self.world.hanging else TWO_TICKS_S
        unsafe = self.world.hanging or self._unsafe(driver.owner.skill, dog.state(), False)
        if not unsafe:
            self.unsafe_since = None
        elif self.unsafe_since is None:
            self.unsafe_since = now
        elif now - self.unsafe_since > limit_s:
            self.check(False, f"{driver.owner.skill} goes on though {unsafe}")

    def _unsafe(self, name: str, state: RobotState, starting: bool) -> str | None:
        """Return why a dog in this state must not begin a skill, or must not go on with it."""
        tier = skill(name).tier
        if not state.connected or state.age_s is None or not state.age_s <= 1.0:
            return f"its state is {state.age_s} s old"
        if tier is Tier.SAFE or (tier is Tier.DANGEROUS and not starting):
            return None
        battery, heat = state.battery_percent, state.motor_temperature_c
        least = 40.0 if tier is Tier.DANGEROUS else 20.0
        if battery is None or not least <= battery <= 100.0:
            return f"its battery is at {battery}"
        if heat is None or not heat < 75.0:
            return f"its motors are at {heat}"
        if name == "RecoveryStand":
            return None
        if state.posture == "fallen" or (starting and state.posture == "unknown"):
            return f"it is {state.posture}"
        if starting and state.moving:
            return "it moves already"
        return None


class World:
    """Everything together on one virtual clock."""

    def __init__(self, allow_dangerous: bool = True) -> None:
        self.loop = VirtualLoop()
        self.clock = self.loop.time
        self.allow_dangerous = allow_dangerous
        self.hanging: str = ""
        self.dog = Dog(self.clock)
        self.oracle = Oracle(self)
        self.driver = Driver(self)
        self.cloud = Cloud(self)
        self.agent = Agent(
            self.driver,
            Gate(GatePolicy(allow_dangerous=allow_dangerous, cloud_max_tier=3), self.clock),
            Recognizer(),
            CloudWay(self.cloud, CircuitBreaker(clock=self.clock), robot_id="dog"),
            AgentOptions(robot_id="dog", deadline_s=20.0),
            clock=self.clock,
        )
        self.dead_man = self.agent._actor.dead_man  # its thread is not started: we are its thread
        self.running: dict[asyncio.Task[Any], float] = {}
        self.outcomes: list[Outcome] = []
        self._next_tick_at = self.clock()

    def spawn(self, work: Any) -> None:
        """Begin what a person asks for, and judge what comes of it."""
        task = self.loop.create_task(work)
        self.running[task] = self.clock()
        task.add_done_callback(self._conclude)
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody; while the loop hangs, for everybody else.

        Time goes from one moment in which something happens to the next.
        """
        target = self.clock() + seconds
        while self.clock() < target:
            moments = [target, self._next_tick_at]
            if not self.hanging:
                moments.append(self.loop.next_timer_at())
            self.loop.now = max(self.clock(), min(moments))
            if self.clock() >= self._next_tick_at:
                self._next_tick_at = self.clock() + DRIVER_TICK_S
                self.dead_man.tick()
            if not self.hanging:
                self.loop.settle()
                self._look_at_tasks()
            self.oracle.look()

    def hang(self, seconds: float) -> None:
        """Let the agent's event loop do nothing for a while."""
        tripped_before = self.dead_man.tripped
        self.hanging = "the loop hangs"
        self.advance(seconds)
        self.hanging = ""
        if self.dead_man.tripped and not tripped_before:
            self.oracle.on_stop()
            self.oracle.on_stop_told()
        self.oracle.unsafe_since = None  # the loop lives again
        self.loop.settle()

    def close(self) -> None:
        """Heal everything, let all come to its end, and see that it does."""
        self.driver.fault = "none"
        gives_up_at = self.clock() + UTTERANCE_LIMIT_S + 1.0
        while (self.running or self.dog.moves_for_us) and self.clock() < gives_up_at:
            self.advance(0.1)
        self.advance(1.0)  # nothing may come after the end
        self.oracle.check(not self.running, "an utterance never ends")
        self.oracle.check(not self.dog.moves_for_us, "the dog never rests")
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.loop.close()

    def _conclude(self, task: "asyncio.Task[Any]") -> None:
        self.running.pop(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            outcome = task.result()
            told = any(outcome is each for each in self.outcomes)  # to a request sent again
            if isinstance(outcome, Outcome) and not told:
                self.outcomes.append(outcome)
                self.oracle.on_outcome(outcome)
        elif not isinstance(error, (Busy, NotFound, Conflict)):
            self.oracle.check(False, f"an error came out: {error!r}")

    def _look_at_tasks(self) -> None:
        now = self.clock()
        for task, begun_at in self.running.items():
            if now - begun_at > UTTERANCE_LIMIT_S:
                self.oracle.check(False, f"an utterance is not answered: {task}")
                self.running[task] = math.inf
