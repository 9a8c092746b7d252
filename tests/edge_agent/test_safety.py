"""The safety property: user × network × cloud × robot in any order, and nothing unsafe ever happens.

`make test` walks a few thousand steps; `pytest -m slow` walks many more. The real agent, actor and
gate run on a virtual clock in `safety_world.py`, whose oracle states what must hold.
"""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from edge_agent.confirmation import read_answer
from shared.skills import skill
from tests.edge_agent.safety_world import READY, WORDS, World

WISHES = ["sit", "lie down", "recover", "dance", "turn left", "go limp", "flip", "jump"]
IDLE_TALK = ["how is the weather", "yes", "好的", "no", "cease all that", "?"]
ANSWERS = [
    "yes",
    "好的",
    "yes, flip",
    "yes, front flip",
    "确认前空翻",
    "yes, jump",
    "ok flip",
    "flip",
    "no flip",
]
CLOUD_SKILLS = st.lists(
    st.sampled_from(["Sit", "Sit", "TurnLeft", "FrontFlip", "StopMove", "Damp"]), max_size=4
)
BAD_FACTS: list[dict[str, Any]] = [
    {"battery_percent": value} for value in (None, math.nan, 19.0, 30.0, -1.0, math.inf)
]
BAD_FACTS += [{"motor_temperature_c": value} for value in (None, math.nan, 75.0, 120.0, -math.inf)]
BAD_FACTS += [{"posture": value} for value in ("unknown", "fallen", "damped", "lying")]
MOSTLY = st.sampled_from([True, True, True, False])
FAULTS = ["none", "none", "blocked", "wedged", "rejecting", "deaf", "lying", "claiming", "endless"]


class Safety(RuleBasedStateMachine):
    """Rules are what people, the network, the cloud and the robot do; the world's oracle judges."""

    steps = 0
    """Of all machines together."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.sent: list[tuple[str, str]] = []

    @initialize(dangerous=st.sampled_from([True, True, False]))
    def begin(self, dangerous: bool) -> None:
        self.world = World(allow_dangerous=dangerous)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.nothing_unsafe_has_happened()

    @invariant()
    def nothing_unsafe_has_happened(self) -> None:
        Safety.steps += 1
        if hasattr(self, "world"):
            assert not self.world.oracle.violations, self.world.oracle.violations

    # --- the user ----------------------------------------------------------------------------

    def _say(self, text: str, request_id: str) -> None:
        self.world.spawn(self.world.agent.handle(text, request_id=request_id))

    def _say_anew(self, text: str) -> None:
        self.number += 1
        request_id = f"r{self.number}"
        self.world.oracle.on_said(request_id)
        self.sent.append((text, request_id))
        asked = self.world.oracle.asked
        if asked and any(word in text for word in ("yes", "确认")):
            names = {"FrontFlip": ("flip", "空翻"), "FrontJump": ("jump",)}[asked[1]]
            if any(name in text for name in names):
                self.world.oracle.on_agreed(request_id, asked[1])
        self._say(text, request_id)

    @rule(text=st.sampled_from(WISHES), health=MOSTLY)
    def wish(self, text: str, health: bool) -> None:
        if health:
            self.heal_the_robot()
        self._say_anew(text)

    @rule(
        first=st.sampled_from(WISHES),
        then=st.sampled_from(WISHES),
        after_s=st.sampled_from([0.0, 0.02, 0.06, 1.0, 2.0, 4.0]),
    )
    def wish_twice(self, first: str, then: str, after_s: float) -> None:
        self.heal_the_robot()
        self._say_anew(first)
        self.world.advance(after_s)
        self._say_anew(then)

    @rule(
        wish=st.sampled_from(WISHES),
        facts=st.sampled_from(BAD_FACTS),
        before=st.booleans(),
        fault=st.sampled_from(FAULTS),
    )
    def wish_in_trouble(self, wish: str, facts: Any, before: bool, fault: str) -> None:
        self.heal_the_robot()
        self.world.driver.fault = fault
        if before:
            self.world.dog.facts.update(facts)
        self._say_anew(wish)
        self.world.advance(0.5)
        self.world.dog.facts.update(facts)
        self.world.advance(0.5)

    @rule(wish=st.sampled_from(["dance", "turn left"]))
    def wish_what_never_ends(self, wish: str) -> None:
        self.heal_the_robot()
        self.world.driver.fault = "endless"
        self._say_anew(wish)
        self.world.advance(65.0)
        self.world.driver.fault = "none"

    @rule(
        wish=st.sampled_from(["flip", "flip", "jump"]),
        answer=st.sampled_from(ANSWERS),
        after_s=st.sampled_from([0.0, 2.0, 9.9, 10.1, 15.0]),
        spoken=MOSTLY,
    )
    def ask_for_danger(self, wish: str, answer: str, after_s: float, spoken: bool) -> None:
        self.heal_the_robot()
        self.world.driver.fault = "none"
        self._say_anew(wish)
        self.world.advance(after_s)
        if spoken:
            self._say_anew(answer)
        else:
            self.click(True, True)

    @rule(text=st.sampled_from(IDLE_TALK))
    def talk(self, text: str) -> None:
        self._say_anew(text)

    @rule(text=st.sampled_from(ANSWERS))
    def answer(self, text: str) -> None:
        self._say_anew(text)

    @rule(back=st.integers(1, 3))
    def send_again(self, back: int) -> None:
        if len(self.sent) >= back:
            self._say(*self.sent[-back])

    @rule(accept=st.booleans(), right=st.sampled_from([True, True, False]))
    def click(self, accept: bool, right: bool) -> None:
        asked = self.world.oracle.asked
        request_id = asked[0] if asked and right else "r0"
        if asked and right:
            self.world.oracle.on_said(request_id)
            if accept:
                self.world.oracle.on_agreed(request_id, asked[1])
        self.world.spawn(self.world.agent.confirm(request_id, accept))

    @rule(text=st.sampled_from(["stop", "停下！", "别动", "dog please stop"]))
    def stop_by_reflex(self, text: str) -> None:
        self.world.oracle.on_stop()
        self.world.spawn(self.world.agent.handle(text))

    @rule(level=st.sampled_from(["stop", "damp"]))
    def stop_by_click_or_key(self, level: Any) -> None:
        self.world.oracle.on_stop()
        self.world.spawn(self.world.agent.stop(level))

    # --- the network and the cloud -------------------------------------------------------------

    @rule(cut=st.booleans())
    def cut_or_mend_the_network(self, cut: bool) -> None:
        self.world.cloud.cut = cut

    @rule(
        skills=CLOUD_SKILLS,
        after_s=st.sampled_from([0.0, 0.5, 5.0, 19.0, 25.0]),
        late=st.booleans(),
    )
    def plan_the_cloud(self, skills: list[str], after_s: float, late: bool) -> None:
        self.world.cloud.skills, self.world.cloud.after_s = skills, after_s
        self.world.cloud.overstays = late

    @rule()
    def ask_the_cloud(self) -> None:
        self._say_anew("entertain us")

    @rule(skills=CLOUD_SKILLS, after_s=st.sampled_from([0.5, 19.5, 20.1, 25.0]))
    def ask_a_cloud_that_answers_late(self, skills: list[str], after_s: float) -> None:
        self.heal_the_robot()
        self.world.cloud.cut = False
        self.plan_the_cloud(skills, after_s, True)
        self._say_anew("entertain us")
        self.world.advance(after_s + 1.0)

    # --- the robot -------------------------------------------------------------------------------

    @rule(facts=st.sampled_from(BAD_FACTS))
    def spoil_a_fact(self, facts: dict[str, Any]) -> None:
        self.world.dog.facts.update(facts)

    @rule(how=st.sampled_from(["stale", "no number", "cut"]))
    def lose_the_state(self, how: str) -> None:
        dog = self.world.dog
        dog.age_is_nan = how == "no number"
        dog.reachable = dog.reachable and how != "cut"
        if how != "no number":
            dog.fall_silent()

    @rule()
    def restart_the_robot(self) -> None:
        self.world.dog.rest()
        self.world.dog.facts.update(READY, posture="lying")
        self.world.dog.fall_silent()

    @rule()
    def heal_the_robot(self) -> None:
        dog = self.world.dog
        dog.facts.update(READY)
        dog.last_word, dog.age_is_nan, dog.reachable = None, False, True
        self.world.driver.answers_after_s = 0.0

    @rule(fault=st.sampled_from(FAULTS))
    def break_the_driver(self, fault: str) -> None:
        self.world.driver.fault = fault

    @rule(seconds=st.sampled_from([0.0, 0.4, 5.0]))
    def let_stops_be_answered_slowly(self, seconds: float) -> None:
        self.world.driver.answers_after_s = seconds

    @rule(seconds=st.sampled_from([0.5, 7.0]))
    def move_the_dog_by_other_hands(self, seconds: float) -> None:
        self.world.dog.stray_until = self.world.clock() + seconds

    # --- time --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 0.4, 0.7, 3.0]))
    def hang_the_loop(self, seconds: float) -> None:
        self.world.hang(seconds)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.3, 1.0, 2.5, 9.0, 25.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(seconds=st.sampled_from([0.02, 0.2, 2.0]))
    def let_a_moment_pass(self, seconds: float) -> None:
        self.world.advance(seconds)


ANY_TIME = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_nothing_unsafe_happens() -> None:
    run_state_machine_as_test(
        Safety,
        settings=settings(
            max_examples=60, stateful_step_count=50, derandomize=True, print_blob=False, **ANY_TIME
        ),
    )


@pytest.mark.slow
def test_nothing_unsafe_happens_in_many_steps() -> None:
    before = Safety.steps
    run_state_machine_as_test(
        Safety, settings=settings(max_examples=800, stateful_step_count=100, **ANY_TIME)
    )
    print(f"{Safety.steps - before} steps without a counter-example")
    assert Safety.steps - before > 10_000


def test_the_words_of_the_world_mean_what_it_thinks() -> None:
    assert read_answer("yes, front flip", skill(WORDS["flip"])) == "yes"
    assert read_answer("yes, jump", skill(WORDS["flip"])) is None
