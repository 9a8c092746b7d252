"""The safety property once more, with the real driver and the mock dog below the agent.

`test_safety.py` walks with a driver that is worse than ours; this one shows that ours keeps what the
agent promises: the mock's own log of calls and its body are the witnesses.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from edge_agent.agent import Agent, AgentOptions
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.mock_robot.dog import MockDog
from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import DRIVER_TICK_S
from edge_agent.robot.sport_service import CALL_TIMEOUT_S, STOP_TIMEOUT_S, SportService
from edge_agent.routing import CircuitBreaker
from shared.outcome import Outcome
from tests.edge_agent.robot.virtual_dog import DirectLine, DirectMonitor
from tests.edge_agent.safety_world import UTTERANCE_LIMIT_S, Cloud, Recognizer
from tests.edge_agent.test_safety import ANY_TIME, WISHES
from tests.edge_agent.virtual_time import VirtualLoop

LINK_FAULTS = ["slow", "silent", "dead", "restarted", "rejecting"]
BODY_FAULTS = ["low_battery", "hot_motor", "fallen", "stale_state", "nan_state", "unready"]
CLEARS_WITHIN_S = 5.0
RESTS_WITHIN_S = 3.0
MAKE_SAFE = {"StopMove", "Damp"}


class DrivenSafety(RuleBasedStateMachine):
    """People and faults in any order; the dog obeys every stop that can reach it."""

    @initialize(posture=st.sampled_from(["standing", "sitting", "lying"]))
    def begin(self, posture: Any) -> None:
        self.loop = VirtualLoop()
        clock = self.loop.time
        self.mock = MockDog(posture=posture, clock=clock)
        lines = [DirectLine(self.mock, each) for each in (CALL_TIMEOUT_S, STOP_TIMEOUT_S)]
        self.robot = Go2Robot(
            0,
            "lo",
            clock=clock,
            service=SportService(*lines),
            monitor=DirectMonitor(self.mock, clock),
        )
        self.robot.state()
        gate = Gate(GatePolicy(allow_dangerous=True, confirm_dangerous=False), clock)
        cloud = Cloud(self)  # type: ignore[arg-type]
        cloud.cut = True
        self.agent = Agent(
            self.robot,
            gate,
            Recognizer(),
            CloudWay(cloud, CircuitBreaker(clock=clock)),
            AgentOptions(deadline_s=20.0),
            clock=clock,
        )
        self.running: dict[asyncio.Task[Any], float] = {}
        self.on: set[str] = set()
        self.linked_since = clock()
        self.stopped: tuple[int, float] | None = None
        self.wrong: list[str] = []

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for name in sorted(self.on):
            self.switch(name, False)
        while self.running:
            self._pass(0.5)
        self.loop.create_task(self.robot.close())
        self._pass(RESTS_WITHIN_S + 2.0)
        assert not self.mock.state().moving
        self.loop.close()

    # --- what happens ------------------------------------------------------------------------------

    @rule(text=st.sampled_from(WISHES), after_s=st.sampled_from([0.0, 0.3, 2.0, 8.0]))
    def wish(self, text: str, after_s: float) -> None:
        self.stopped = None
        self._spawn(self.agent.handle(text))
        self._pass(after_s)

    @rule(level=st.sampled_from(["stop", "stop", "damp"]), spoken=st.booleans())
    def stop(self, level: Any, spoken: bool) -> None:
        before = self.mock.call_count
        self._spawn(self.agent.handle("stop") if spoken else self.agent.stop(level))
        self._pass(2 * DRIVER_TICK_S)
        if self._reachable():
            made = [call.sequence for call in self.mock.calls(before) if call.name in MAKE_SAFE]
            assert made, "no stop reached the dog within two ticks"
            self.stopped = made[0], self.loop.time()

    @rule(name=st.sampled_from([*LINK_FAULTS, *BODY_FAULTS]), on=st.booleans())
    def switch(self, name: str, on: bool) -> None:
        self.mock.faults.command({"fault": name, "on": on})
        (self.on.add if on else self.on.discard)(name)
        if name in LINK_FAULTS:
            self.linked_since = self.loop.time()
            self.stopped = None

    @rule()
    def heal(self) -> None:
        for name in sorted(self.on):
            self.switch(name, False)

    @rule(seconds=st.sampled_from([0.05, 0.5, 4.0, 12.0]))
    def let_time_pass(self, seconds: float) -> None:
        self._pass(seconds)

    # --- what must hold ----------------------------------------------------------------------------

    @invariant()
    def a_stop_is_obeyed_and_lasts(self) -> None:
        if getattr(self, "stopped", None) is None:
            return
        assert self.stopped is not None
        sequence, at = self.stopped
        since = {call.name for call in self.mock.calls(sequence)}
        assert since <= MAKE_SAFE, f"after a stop the dog was told {since - MAKE_SAFE}"
        if self.loop.time() - at > RESTS_WITHIN_S:
            assert not self.mock.state().moving

    @invariant()
    def what_is_confirmed_is_true_and_nothing_breaks(self) -> None:
        assert not getattr(self, "wrong", [])

    @invariant()
    def every_utterance_ends(self) -> None:
        for began_at in getattr(self, "running", {}).values():
            assert self.loop.time() - began_at < UTTERANCE_LIMIT_S

    def _reachable(self) -> bool:
        linked = not self.on & set(LINK_FAULTS)
        return linked and self.loop.time() - self.linked_since > CLEARS_WITHIN_S

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self.running[task] = self.loop.time()
        task.add_done_callback(self._conclude)
        self.loop.settle()

    def _conclude(self, task: "asyncio.Task[Any]") -> None:
        del self.running[task]
        if (error := task.exception()) is not None:
            self.wrong.append(repr(error))
            return
        outcome = task.result()
        if isinstance(outcome, Outcome) and outcome.execution.state == "confirmed":
            end = CHOREOGRAPHIES[str(outcome.execution.skill)].end
            if end is not None and self.mock.state().posture != end:
                self.wrong.append(f"untrue: {outcome.execution}")

    def _pass(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while self.loop.time() < until:
            self.loop.now = max(self.loop.now, min(until, self.loop.next_timer_at()))
            self.loop.settle()


def test_the_dog_obeys_every_stop_that_can_reach_it() -> None:
    run_state_machine_as_test(
        DrivenSafety,
        settings=settings(
            max_examples=25, stateful_step_count=25, derandomize=True, print_blob=False, **ANY_TIME
        ),
    )


@pytest.mark.slow
def test_the_dog_obeys_every_stop_that_can_reach_it_in_many_steps() -> None:
    run_state_machine_as_test(
        DrivenSafety, settings=settings(max_examples=400, stateful_step_count=50, **ANY_TIME)
    )
