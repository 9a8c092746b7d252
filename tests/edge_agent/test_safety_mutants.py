"""The safety property can fail: each rule of the gate, broken on purpose, is found by it."""

import asyncio
import dataclasses
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from edge_agent import acting, agent, confirmation, gate
from edge_agent.acting import Actor
from edge_agent.confirmation import Confirmations
from edge_agent.gate import Gate, GatePolicy
from edge_agent.heartbeat import DeadMan
from edge_agent.repeats import Repeats
from shared.outcome import Call
from tests.edge_agent import safety_world
from tests.edge_agent.test_safety import ANY_TIME, Safety

Patch = pytest.MonkeyPatch


def believe_a_stale_state(patch: Patch) -> None:
    patch.setattr(Gate, "_check_connection", lambda self, state: None)


def ignore_the_body(patch: Patch) -> None:
    patch.setattr(Gate, "_check_body", lambda self, state, dangerous: None)


def let_a_number_that_is_none_pass(patch: Patch) -> None:
    original = Gate._check_body

    def check(self: Gate, state: Any, dangerous: bool) -> Any:
        is_none = math.isnan(state.battery_percent or 0.0)
        return None if is_none else original(self, state, dangerous)

    patch.setattr(Gate, "_check_body", check)


def ignore_a_fall(patch: Patch) -> None:
    patch.setattr(gate, "_check_upright", lambda state: None)


def look_only_at_the_start(patch: Patch) -> None:
    patch.setattr(Gate, "supervise", lambda self, state: None)


def forget_the_expiry(patch: Patch) -> None:
    original = Gate.decide

    def decide(self: Gate, wish: gate.Wish, state: Any) -> Any:
        return original(self, dataclasses.replace(wish, expires_at=math.inf), state)

    patch.setattr(Gate, "decide", decide)


def let_who_waits_outlive_a_stop(patch: Patch) -> None:
    def overtake(self: Actor) -> None:
        self.gate.end_action()
        self._mark_ending("stopped")

    patch.setattr(Actor, "_overtake", overtake)


def let_wishes_outlive_damp(patch: Patch) -> None:
    patch.setattr(acting, "Tier", SimpleNamespace(SAFE=None))


def queue_a_stop_behind_the_action(patch: Patch) -> None:
    original = Actor.stop

    async def stop(self: Actor) -> list[Call]:
        while self.active is not None:
            await asyncio.sleep(0.05)
        return await original(self)

    patch.setattr(Actor, "stop", stop)


def replace_without_waiting_for_the_end(patch: Patch) -> None:
    meetings = {tier: dict.fromkeys(row, "start") for tier, row in gate.MEETINGS.items()}
    patch.setattr(gate, "MEETINGS", meetings)
    always = dict.fromkeys(gate.TRANSITIONS, "acting")
    patch.setattr(
        gate, "TRANSITIONS", {**gate.TRANSITIONS, **always, ("acting", "begin"): "acting"}
    )


def let_a_bare_yes_do(patch: Patch) -> None:
    def read(text: str, skill: Any) -> Any:
        answer = confirmation.read_answer(text, skill)
        return "yes" if answer == "unnamed" else answer

    patch.setattr(agent, "read_answer", read)


def let_a_question_stay_open(patch: Patch) -> None:
    original = Confirmations.__init__
    patch.setattr(
        Confirmations, "__init__", lambda self, window_s, clock: original(self, 1000.0, clock)
    )


def let_the_heart_stop(patch: Patch) -> None:
    patch.setattr(DeadMan, "tick", lambda self: None)


def act_again_when_asked_again(patch: Patch) -> None:
    async def once(self: Repeats, request_id: str, said: Any, work: Callable[[], Any]) -> Any:
        return await work()

    patch.setattr(Repeats, "once", once)
    patch.setattr(gate, "KEYS_REMEMBERED", 0)


def let_an_action_have_the_dog_for_ever(patch: Patch) -> None:
    patch.setattr(
        safety_world,
        "GatePolicy",
        lambda **given: GatePolicy(**given, action_limit_s=math.inf),
    )


def believe_the_driver(patch: Patch) -> None:
    patch.setattr(Gate, "is_fresh", lambda self, state: True)


def confirm_a_stop_unseen(patch: Patch) -> None:
    patch.setattr(acting, "_is_still", lambda state, since_s: True)


FOUND_SOON = [
    ignore_the_body,
    look_only_at_the_start,
    forget_the_expiry,
    let_who_waits_outlive_a_stop,
    queue_a_stop_behind_the_action,
    replace_without_waiting_for_the_end,
    let_the_heart_stop,
    act_again_when_asked_again,
]
FOUND_LATER = [
    let_wishes_outlive_damp,
    believe_a_stale_state,
    let_a_number_that_is_none_pass,
    ignore_a_fall,
    let_a_bare_yes_do,
    let_a_question_stay_open,
    let_an_action_have_the_dog_for_ever,
    believe_the_driver,
    confirm_a_stop_unseen,
]
MUTANTS = [*FOUND_SOON, *(pytest.param(each, marks=pytest.mark.slow) for each in FOUND_LATER)]


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_a_broken_rule_is_found(mutate: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Safety,
            settings=settings(
                max_examples=2000,
                stateful_step_count=40,
                derandomize=True,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate],  # the first counter-example will do, however long
                **ANY_TIME,
            ),
        )
