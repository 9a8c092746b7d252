"""The last check before motion: tiers, the robot's own state, one action at a time, confirmation.

Everything here is pure: the clock is injected and a refusal is a value. `Gate.check` says whether a
skill may move the dog now; `Confirmations` remembers which request a dangerous skill was asked for
and forgets it after `GatePolicy.confirmation_window_s`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_agent.robot.interface import RobotState
from shared.skills import Skill, Tier

RefusalReason = Literal[
    "expired",
    "dangerous_disabled",
    "robot_unavailable",
    "state_stale",
    "busy",
    "posture_unknown",
    "posture_fallen",
    "battery_unknown",
    "battery_low",
    "motor_temperature_unknown",
    "motor_hot",
    "confirmation_unknown",
    "confirmation_expired",
    "confirmation_declined",
]
"""Stable codes that stand in an outcome's `execution.reason`."""


@dataclass(frozen=True)
class GatePolicy:
    """What this dog may do; seconds, percent and degrees Celsius as the names say."""

    allow_dangerous: bool = False
    confirm_dangerous: bool = True
    state_max_age_s: float = 1.0
    battery_min_percent: float = 20.0
    battery_min_dangerous_percent: float = 40.0
    motor_max_temperature_c: float = 75.0
    confirmation_window_s: float = 10.0


@dataclass(frozen=True)
class Permit:
    """The skill may move the dog now."""

    skill: Skill


@dataclass(frozen=True)
class Refusal:
    """The skill may not move the dog; `message` tells a person why, in English."""

    reason: RefusalReason
    message: str


@dataclass(frozen=True)
class ConfirmationNeeded:
    """The skill may move the dog once a person has confirmed it within `window_s` seconds."""

    skill: Skill
    window_s: float


Decision = Permit | Refusal | ConfirmationNeeded


@dataclass(frozen=True)
class _Pending:
    skill: Skill
    expires_at: float


class Confirmations:
    """Which dangerous skills wait for a person's yes, each under its request's id.

    `clock` gives seconds, as `time.monotonic`. Every question can be answered once.
    """

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._pending: dict[str, _Pending] = {}

    def ask(self, request_id: str, skill: Skill) -> float:
        """Remember the question and return when it expires, on the injected clock.

        A newer question replaces all older ones: one dog waits for one answer, and a late yes to
        an earlier question must not fire.
        """
        self._pending.clear()
        expires_at = self._clock() + self._window_s
        self._pending[request_id] = _Pending(skill, expires_at)
        return expires_at

    def answer(self, request_id: str, accept: bool) -> Skill | Refusal:
        """Return the skill that may now go to `Gate.check(confirmed=True)`, or why it may not."""
        pending = self._pending.pop(request_id, None)
        if pending is None:
            return Refusal("confirmation_unknown", "no action waits for this confirmation")
        if self._clock() > pending.expires_at:
            return Refusal("confirmation_expired", "the confirmation came too late; ask again")
        if not accept:
            return Refusal("confirmation_declined", "the action was declined")
        return pending.skill

    def withdraw(self) -> None:
        """Forget every open question, as a stop does."""
        self._pending.clear()


class Gate:
    """Decides whether a skill may move the dog; holds no robot and does nothing itself."""

    def __init__(
        self, policy: GatePolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policy = policy or GatePolicy()
        self.confirmations = Confirmations(self.policy.confirmation_window_s, clock)
        self._clock = clock

    def check(
        self,
        skill: Skill,
        state: RobotState,
        active: bool,
        confirmed: bool,
        expires_at: float | None = None,
    ) -> Decision:
        """Say whether `skill` may start now.

        `active` is whether an action is under way, `confirmed` whether a person has said yes to
        this very request, `expires_at` when the wish is stale, on the injected clock.
        """
        if skill.name == "StopMove":
            return Permit(skill)
        refusal = (
            self._check_request(skill, active, expires_at)
            or self._check_state(skill, state)
            or self._check_body(skill, state)
        )
        if refusal is not None:
            return refusal
        if skill.tier is Tier.DANGEROUS and self.policy.confirm_dangerous and not confirmed:
            return ConfirmationNeeded(skill, self.policy.confirmation_window_s)
        return Permit(skill)

    def _check_request(
        self, skill: Skill, active: bool, expires_at: float | None
    ) -> Refusal | None:
        if expires_at is not None and self._clock() > expires_at:
            return Refusal("expired", "the request is older than its deadline")
        if skill.tier is Tier.DANGEROUS and not self.policy.allow_dangerous:
            return Refusal("dangerous_disabled", f"{skill.name} is off; a setting can allow it")
        if active and skill.tier is not Tier.SAFE:
            return Refusal("busy", "another action is under way; stop it first")
        return None

    def _check_state(self, skill: Skill, state: RobotState) -> Refusal | None:
        if not state.connected or state.age_s is None:
            return Refusal("robot_unavailable", "no state from the robot")
        if not state.age_s <= self.policy.state_max_age_s:  # refuses NaN too
            return Refusal("state_stale", f"the robot's state is {state.age_s:.1f} s old")
        any_posture = skill.tier is Tier.SAFE or skill.name == "RecoveryStand"
        if state.posture == "unknown" and not any_posture:
            return Refusal("posture_unknown", "the robot's posture cannot be told; try recovery")
        if state.posture == "fallen" and not any_posture:
            return Refusal("posture_fallen", "the robot has fallen; let it recover first")
        return None

    def _check_body(self, skill: Skill, state: RobotState) -> Refusal | None:
        if skill.tier is Tier.SAFE:  # going soft is what a hot or empty dog should be able to do
            return None
        battery, temperature = state.battery_percent, state.motor_temperature_c
        if battery is None or math.isnan(battery):
            return Refusal("battery_unknown", "the battery's charge is unknown")
        dangerous = skill.tier is Tier.DANGEROUS
        policy = self.policy
        least = policy.battery_min_dangerous_percent if dangerous else policy.battery_min_percent
        if battery < least:
            return Refusal("battery_low", f"battery at {battery:.0f} %, {least:.0f} % needed")
        if temperature is None or math.isnan(temperature):
            return Refusal("motor_temperature_unknown", "the motors' temperature is unknown")
        if temperature >= policy.motor_max_temperature_c:
            return Refusal("motor_hot", f"a motor is at {temperature:.0f} °C; let it cool down")
        return None
