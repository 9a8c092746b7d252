"""The last check before motion: a state machine over six facts, its rules two tables.

Four facts are read anew from the robot's state for every decision and, while the dog moves, at
every tick (`decide`, `supervise`); a value that is missing, old or not a number is the worst one:

    connection   fresh | stale | absent
    posture      standing sitting lying damped | fallen | unknown
    battery      enough | low (no tier 3) | empty | unknown
    temperature  fine | hot | unknown

Two are the gate's own. Activity (TRANSITIONS; StopMove is an event here, never a wish):

                begin                stop, or what supervise finds
      ┌──────┐ ──────▶ ┌────────┐ ────────────────────────────────▶ ┌──────────┐ ──┐ stop
      │ idle │         │ acting │                                   │ stopping │ ◀─┘
      └──────┘ ◀────── └────────┘                                   └──────────┘
          ▲     ended                                       ended        │
          └──────────────────────────────────────────────────────────────┘
    beside it one waiting place: the newest wish that waits takes it, a stop empties it

and confirmation (`confirmation.py`):  none → asked → granted → none.

RULES says what a tier needs of the facts, MEETINGS what a new wish does when something is under
way. Everything is pure: the clock is injected, a refusal is a value, nothing here moves a robot.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_agent.confirmation import Confirmations
from edge_agent.robot.interface import RobotState
from edge_agent.verdict import ConfirmationNeeded, Decision, Permit, Refusal, Replace, Wait
from shared.skills import Skill, Tier

KEYS_REMEMBERED = 1000
COLDEST_C = -40.0
"""A motor that says less is not read right."""

Activity = Literal["idle", "acting", "stopping"]
Event = Literal["begin", "ended", "stop"]
TRANSITIONS: Mapping[tuple[Activity, Event], Activity] = {
    ("idle", "begin"): "acting",
    ("idle", "stop"): "idle",
    ("acting", "ended"): "idle",
    ("acting", "stop"): "stopping",
    ("stopping", "ended"): "idle",
    ("stopping", "stop"): "stopping",
}
"""What is missing here cannot happen: one action has the dog, and the driver ends it once."""

UnderWay = Literal["nothing", "stray", "stopping"] | Tier
"""`stray`: the dog moves and no action of ours is the reason; a tier: an action of that tier."""

Meeting = Literal["start", "wait", "replace", "refuse"]
MEETINGS: Mapping[Tier, Mapping[UnderWay, Meeting]] = {
    Tier.SAFE: {
        "nothing": "start",
        "stray": "start",
        "stopping": "wait",
        Tier.SAFE: "wait",
        Tier.IN_PLACE: "replace",
        Tier.NEEDS_SPACE: "replace",
        Tier.DANGEROUS: "replace",
    },
    Tier.IN_PLACE: {
        "nothing": "start",
        "stray": "wait",
        "stopping": "wait",
        Tier.SAFE: "wait",
        Tier.IN_PLACE: "replace",
        Tier.NEEDS_SPACE: "replace",
        Tier.DANGEROUS: "wait",  # only a stop or Damp interrupts a dog in the air
    },
    Tier.NEEDS_SPACE: {
        "nothing": "start",
        "stray": "wait",
        "stopping": "wait",
        Tier.SAFE: "wait",
        Tier.IN_PLACE: "wait",
        Tier.NEEDS_SPACE: "wait",
        Tier.DANGEROUS: "wait",
    },
    Tier.DANGEROUS: {
        "nothing": "start",
        "stray": "refuse",
        "stopping": "refuse",
        Tier.SAFE: "refuse",
        Tier.IN_PLACE: "refuse",
        Tier.NEEDS_SPACE: "refuse",
        Tier.DANGEROUS: "refuse",
    },
}
"""What a new wish of a tier does, by what is under way; `wait` is bounded by GatePolicy.wait_s."""


@dataclass(frozen=True)
class Rule:
    """What a tier needs: to begin, and (`kept`) from tick to tick until its end.

    `kept` names the checks that stop an action under way.
    """

    any_posture: bool
    body_checked: bool
    dangerous: bool
    kept: frozenset[Literal["connection", "posture", "body"]]


RULES: Mapping[Tier, Rule] = {
    # Going soft is what a fallen, hot or empty dog should be able to do, and to finish.
    Tier.SAFE: Rule(True, False, False, frozenset({"connection"})),
    Tier.IN_PLACE: Rule(False, True, False, frozenset({"connection", "posture", "body"})),
    Tier.NEEDS_SPACE: Rule(False, True, False, frozenset({"connection", "posture", "body"})),
    # A dog in the air tilts, and a stop for a battery's sake would only spoil its landing.
    Tier.DANGEROUS: Rule(False, True, True, frozenset({"connection"})),
}
RISES_FROM_ANYWHERE = "RecoveryStand"
MAY_TILT = frozenset({RISES_FROM_ANYWHERE, "Wallow"})
"""Skills that look fallen while they go right."""


@dataclass(frozen=True)
class GatePolicy:
    """What this dog may do; seconds, percent and degrees Celsius as the names say."""

    allow_dangerous: bool = False
    confirm_dangerous: bool = True
    cloud_max_tier: int = Tier.NEEDS_SPACE
    """The highest tier that the cloud may ask for; -1: the cloud only speaks."""
    state_max_age_s: float = 1.0
    battery_min_percent: float = 20.0
    battery_min_dangerous_percent: float = 40.0
    motor_max_temperature_c: float = 75.0
    confirmation_window_s: float = 10.0
    wait_s: float = 5.0
    """How long a wish waits for what is under way before it is refused as busy."""
    action_limit_s: float = 60.0
    """How long an action may have the dog; the longest choreography is expected to take 18 s."""


@dataclass(frozen=True)
class Wish:
    """A skill that wants the dog: by whom, under which key, and until when it may start."""

    skill: Skill
    request_id: str
    key: str
    expires_at: float
    from_cloud: bool = False


class Gate:
    """Decides whether a wish may have the dog, and knows which one has it."""

    def __init__(
        self, policy: GatePolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policy = policy or GatePolicy()
        self.confirmations = Confirmations(self.policy.confirmation_window_s, clock)
        self.activity: Activity = "idle"
        self._clock = clock
        self._owner: Wish | None = None
        self._waiting: Wish | None = None
        self._begun: OrderedDict[str, None] = OrderedDict()

    # --- what may happen -------------------------------------------------------------------------

    def decide(self, wish: Wish, state: RobotState) -> Decision:
        """Say what the wish may do now; changes nothing."""
        if wish.skill.name == "StopMove":
            return Permit(wish.skill)
        skill, rule = wish.skill, RULES[wish.skill.tier]
        refusal = self._check_wish(wish) or self._check_connection(state)
        if refusal is None and rule.body_checked:
            refusal = self._check_body(state, rule.dangerous)
        if refusal is not None:
            return refusal
        meeting = self._meet(skill, state)
        if meeting == "refuse":
            return Refusal("busy", "something is under way; wait for its end or stop it first")
        if meeting == "wait":
            return Wait()
        refusal = self._check_posture(skill, state)
        if refusal is not None:
            return refusal
        if meeting == "replace":
            return Replace()
        asks = rule.dangerous and self.policy.confirm_dangerous
        if asks and not self.confirmations.allows(wish.request_id, skill):
            return ConfirmationNeeded(skill, self.policy.confirmation_window_s)
        return Permit(skill)

    def supervise(self, state: RobotState) -> Refusal | None:
        """Say why the action under way must be stopped, None where it may go on."""
        if self._owner is None or self.activity != "acting":
            return None
        skill = self._owner.skill
        kept = RULES[skill.tier].kept
        refusal = self._check_connection(state) if "connection" in kept else None
        if refusal is None and "body" in kept:
            refusal = self._check_body(state, dangerous=False)
        if refusal is None and "posture" in kept and skill.name not in MAY_TILT:
            refusal = _check_upright(state)
        return refusal

    def is_fresh(self, state: RobotState) -> bool:
        """Whether the state is young enough to prove anything."""
        return self._check_connection(state) is None

    # --- what happens ----------------------------------------------------------------------------

    def begin(self, wish: Wish) -> None:
        """Give the dog to a wish that has its Permit; any open question lapses."""
        self._move("begin")
        self._owner = wish
        self._begun[wish.key] = None
        while len(self._begun) > KEYS_REMEMBERED:
            self._begun.popitem(last=False)
        self.confirmations.withdraw()
        self.leave_place(wish)

    def ended(self) -> None:
        """The driver has ended the action: the dog is free."""
        self._move("ended")
        self._owner = None

    def end_action(self) -> None:
        """The action under way is told to stop; who waits goes on waiting."""
        self._move("stop")

    def stop(self) -> None:
        """A stop: also who waits and what was asked is forgotten."""
        self._move("stop")
        self._waiting = None
        self.confirmations.withdraw()

    def take_place(self, wish: Wish) -> None:
        """Let the wish wait; the one that waited so far has lost its place."""
        self._waiting = wish

    def holds_place(self, wish: Wish) -> bool:
        """Whether the wish still waits."""
        return self._waiting is wish

    def leave_place(self, wish: Wish) -> None:
        """Give up the place, if the wish has it."""
        if self._waiting is wish:
            self._waiting = None

    # ---------------------------------------------------------------------------------------------

    def _move(self, event: Event) -> None:
        self.activity = TRANSITIONS[self.activity, event]

    def _meet(self, skill: Skill, state: RobotState) -> Meeting:
        under_way: UnderWay = "nothing"
        if self.activity == "stopping":
            under_way = "stopping"
        elif self._owner is not None:
            under_way = self._owner.skill.tier
        elif state.moving and skill.name != RISES_FROM_ANYWHERE:  # a fallen dog may rock
            under_way = "stray"
        return MEETINGS[skill.tier][under_way]

    def _check_wish(self, wish: Wish) -> Refusal | None:
        if not self._clock() <= wish.expires_at:
            return Refusal("expired", "the request is older than its deadline")
        if wish.key in self._begun:
            return Refusal("repeated", "this very action has been done already")
        if RULES[wish.skill.tier].dangerous and not self.policy.allow_dangerous:
            return Refusal(
                "dangerous_disabled", f"{wish.skill.name} is off; a setting can allow it"
            )
        if wish.from_cloud and wish.skill.tier > self.policy.cloud_max_tier:
            return Refusal(
                "cloud_tier_disabled", f"the cloud may not ask for {wish.skill.name}; a person may"
            )
        return None

    def _check_connection(self, state: RobotState) -> Refusal | None:
        if not state.connected or state.age_s is None:
            return Refusal("robot_unavailable", "no state from the robot")
        if not 0.0 <= state.age_s <= self.policy.state_max_age_s:  # refuses NaN too
            return Refusal("state_stale", f"the robot's state is {state.age_s:.1f} s old")
        return None

    def _check_posture(self, skill: Skill, state: RobotState) -> Refusal | None:
        if RULES[skill.tier].any_posture or skill.name == RISES_FROM_ANYWHERE:
            return None
        # between two postures a dog has none, which says nothing; one that recovers may have fallen
        between = self._owner is not None and self._owner.skill.name != RISES_FROM_ANYWHERE
        if state.posture == "unknown" and not between:
            return Refusal("posture_unknown", "the robot's posture cannot be told; try recovery")
        return _check_upright(state)

    def _check_body(self, state: RobotState, dangerous: bool) -> Refusal | None:
        battery, temperature = state.battery_percent, state.motor_temperature_c
        policy = self.policy
        least = policy.battery_min_dangerous_percent if dangerous else policy.battery_min_percent
        if battery is None or not 0.0 <= battery <= 100.0:  # refuses NaN too
            return Refusal("battery_unknown", "the battery's charge is unknown")
        if battery < least:
            return Refusal("battery_low", f"battery at {battery:.0f} %, {least:.0f} % needed")
        if temperature is None or not temperature >= COLDEST_C:
            return Refusal("motor_temperature_unknown", "the motors' temperature is unknown")
        if temperature >= policy.motor_max_temperature_c:
            return Refusal("motor_hot", f"a motor is at {temperature:.0f} °C; let it cool down")
        return None


def _check_upright(state: RobotState) -> Refusal | None:
    if state.posture == "fallen":
        return Refusal("posture_fallen", "the robot has fallen; let it recover first")
    return None
