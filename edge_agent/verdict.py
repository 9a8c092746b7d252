"""What the gate may answer to a wish: five values, and the stable codes of a refusal."""

from dataclasses import dataclass
from typing import Literal

from shared.outcome import ExecutionState
from shared.skills import Skill

RefusalReason = Literal[
    "expired",
    "repeated",
    "dangerous_disabled",
    "cloud_tier_disabled",
    "name_not_heard",
    "robot_unavailable",
    "state_stale",
    "busy",
    "superseded",
    "stopped",
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

_STATES: dict[RefusalReason, ExecutionState] = {
    "expired": "expired",
    "superseded": "preempted",
    "stopped": "preempted",
}


@dataclass(frozen=True)
class Permit:
    """The skill may move the dog now."""

    skill: Skill


@dataclass(frozen=True)
class Refusal:
    """The skill may not move the dog; `message` tells a person why, in English."""

    reason: RefusalReason
    message: str

    @property
    def state(self) -> ExecutionState:
        """The state that an outcome shows for it."""
        return _STATES.get(self.reason, "refused")


@dataclass(frozen=True)
class ConfirmationNeeded:
    """The skill may move the dog once a person has confirmed it within `window_s` seconds."""

    skill: Skill
    window_s: float


@dataclass(frozen=True)
class Wait:
    """The skill may take the one waiting place until what is under way has ended."""


@dataclass(frozen=True)
class Replace:
    """The skill takes the place of the action under way, which is to be stopped first."""


Decision = Permit | Refusal | ConfirmationNeeded | Wait | Replace
