"""A taught skill's movement as a choreography, refused where the dog could not do it safely.

The steps are those of `choreography.py` with the same limits. Beyond them a taught movement keeps
rules that the built-in ones keep by review: it starts from standing in balance, ends and waits at
rest, asks for nothing that the posture before it does not allow, stays in the space it declares, and
its tier is at least what its steps need.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.robot import choreography as built_in
from edge_agent.robot.choreography import (
    Call,
    Choreography,
    Drive,
    Hold,
    OutOfRange,
    Step,
    TurnBy,
    Wait,
)
from edge_agent.robot.interface import Posture
from shared.errors import ConfigurationError
from shared.skills import Tier
from shared.taught_skill import StepForm, TaughtSkill

MAX_STEP_S = 3.0
MAX_WAIT_S = 5.0
MAX_DURATION_S = 45.0
"""Well below the time after which the gate takes the dog away from an action."""
MAX_STEPS = 80
LEAST_TURN_SPEED_RAD_S = 0.3
LEAST_SPACE_M = 1.0
TRICK_SPACE_M = 2.0
"""What a dance or a leap needs around where it begins, as the built-in ones (notes/robot.md)."""
LEAP_M = TRICK_SPACE_M / 2
"""How far a leap may carry the dog, as nobody has measured it on a real one: as far as that space
allows it from the middle. The mock's leaps, of 0.3 to 0.6 m, are a proposal of this project's."""
_SETTLE: tuple[Step, ...] = (built_in.STOP_MOVE, built_in.BALANCE_STAND)


class _Allowed(NamedTuple):
    """A call, the least tier of a skill with it, the space around it, how far it may carry the dog."""

    call: Call
    tier: Tier
    space_m: float = 0.0
    advance_m: float = 0.0


_CALLS = {
    **{
        each.name: _Allowed(each, Tier.IN_PLACE)
        for each in (
            built_in.BALANCE_STAND,
            built_in.STOP_MOVE,
            built_in.STAND_UP,
            built_in.STAND_DOWN,
            built_in.SIT,
            built_in.RISE_SIT,
            built_in.HELLO,
            built_in.STRETCH,
            built_in.CONTENT,
            built_in.SCRAPE,
            built_in.HEART,
            built_in.WIGGLE_HIPS,
        )
    },
    "PoseOn": _Allowed(built_in.POSE_ON, Tier.IN_PLACE),
    "PoseOff": _Allowed(built_in.POSE_OFF, Tier.IN_PLACE),
    "Wallow": _Allowed(built_in.WALLOW, Tier.NEEDS_SPACE),
    **{
        each.name: _Allowed(each, Tier.NEEDS_SPACE, TRICK_SPACE_M)
        for each in (built_in.DANCE_1, built_in.DANCE_2)
    },
    **{
        each.name: _Allowed(each, Tier.DANGEROUS, TRICK_SPACE_M, LEAP_M)
        for each in (built_in.FRONT_FLIP, built_in.FRONT_JUMP, built_in.FRONT_POUNCE)
    },
}
"""What a taught skill may call. Damp, which drops a standing dog, and RecoveryStand, which throws a
fallen one about, are not among it."""

_POSTURES: dict[str, tuple[frozenset[str], str]] = {
    "BalanceStand": (frozenset({"balanced", "standing"}), "balanced"),
    "StopMove": (frozenset({"balanced", "standing", "walking", "sitting", "lying"}), ""),
    "StandUp": (frozenset({"lying"}), "standing"),
    "StandDown": (frozenset({"balanced", "standing"}), "lying"),
    "Sit": (frozenset({"balanced", "standing"}), "sitting"),
    "RiseSit": (frozenset({"sitting"}), "standing"),
}
"""Per call the postures in which it may come, and the one it leaves ("": the same, but at rest).
`standing` has locked legs, or has just walked: tilts and steps are obeyed in balance only."""
_TRICK = (frozenset({"balanced", "standing"}), "balanced")


def build_choreography(taught: TaughtSkill) -> Choreography:
    """Return the choreography; ConfigurationError names the first step that is not safe and why."""
    movement = taught.movement
    if len(movement.steps) > MAX_STEPS:
        raise _refused(taught, f"more than {MAX_STEPS} steps")
    if not 0 < movement.duration_s <= MAX_DURATION_S:
        raise _refused(taught, f"duration_s must be above 0 and at most {MAX_DURATION_S:g}")
    steps: list[Step] = []
    posture = "balanced"
    for number, form in enumerate(movement.steps, 1):
        try:
            step, needed = _build_step(form)
            if isinstance(step, Wait) and posture == "walking":
                steps.extend(_SETTLE)  # or the robot walks on for 1 to 2 s after the last Move
                posture = "balanced"
            posture = follow(step, posture)
        except ValueError as error:
            raise _refused(taught, f"step {number}: {error}") from error
        if needed > taught.tier:
            raise _refused(taught, f"step {number} needs tier {int(needed)}, not {taught.tier}")
        steps.append(step)
    end: Posture = "standing"
    if posture == "sitting":
        end = "sitting"
    elif posture == "lying":
        end = "lying"
    else:
        steps.extend(_SETTLE)
    _check_space(taught, steps)
    _check_time(taught, steps)
    return Choreography(
        taught.name, "standing", end, movement.duration_s, tuple(steps), space_m=movement.space_m
    )


def _refused(taught: TaughtSkill, why: str) -> ConfigurationError:
    return ConfigurationError(f"the movement of the taught skill {taught.name} is refused: {why}")


def _build_step(form: StepForm) -> tuple[Step, Tier]:
    """Return a step and the least tier of a skill with it; ValueError where it is out of range."""
    if form.call is not None:
        allowed = _CALLS.get(form.call)
        if allowed is None:
            known = ", ".join(sorted(_CALLS))
            raise ValueError(f"{form.call} is no call of a taught skill; there are {known}")
        return allowed.call, allowed.tier
    if form.hold is not None:
        hold = form.hold
        _check_seconds(hold.seconds, MAX_STEP_S)
        return Hold(hold.roll_rad, hold.pitch_rad, hold.yaw_rad, hold.seconds), Tier.IN_PLACE
    if form.drive is not None:
        drive = form.drive
        _check_seconds(drive.seconds, MAX_STEP_S)
        step = Drive(drive.vx_m_s, drive.vy_m_s, drive.vyaw_rad_s, drive.seconds)
        return step, Tier.NEEDS_SPACE
    if form.turn is not None:
        return _build_turn(form.turn.angle_rad, form.turn.speed_rad_s), Tier.NEEDS_SPACE
    assert form.wait is not None, "the form has checked that one key is given"
    _check_seconds(form.wait, MAX_WAIT_S)
    return Wait(form.wait), Tier.IN_PLACE


def _build_turn(angle_rad: float, speed_rad_s: float) -> TurnBy:
    if not 0 < abs(angle_rad) <= 2 * math.pi:
        raise OutOfRange(f"an angle of {angle_rad} is not within a full turn")
    if not speed_rad_s >= LEAST_TURN_SPEED_RAD_S:
        raise OutOfRange(f"a turn slower than {LEAST_TURN_SPEED_RAD_S} rad/s does not end")
    return TurnBy(angle_rad, speed_rad_s, timeout_s=2.0 + 1.5 * abs(angle_rad) / speed_rad_s)


def _check_seconds(seconds: float, most: float) -> None:
    if not 0 < seconds <= most:
        raise OutOfRange(f"{seconds} s is not above 0 and at most {most:g}")


def follow(step: Step, posture: str) -> str:
    """Return the posture after a step; ValueError where it cannot come in the one before it."""
    if isinstance(step, Call):
        may, leaves = _POSTURES.get(step.name, _TRICK)
        if posture not in may:
            raise ValueError(f"{step.name} cannot come while {posture}; {_HINTS[posture]}")
        if leaves:
            return leaves
        return "standing" if posture == "walking" else posture
    if isinstance(step, Hold) and posture != "balanced":
        raise ValueError(f"a dog that is {posture} does not tilt; {_HINTS[posture]}")
    if isinstance(step, Drive | TurnBy):
        if posture not in ("balanced", "walking"):
            raise ValueError(f"a dog that is {posture} does not walk; {_HINTS[posture]}")
        return "walking"
    if isinstance(step, Wait) and posture == "walking":
        raise ValueError(f"a dog that is walking does not wait; {_HINTS[posture]}")
    return posture


_HINTS = {
    "balanced": "let it sit or lie down first",
    "standing": "put BalanceStand before it",
    "walking": "put StopMove and BalanceStand before it",
    "sitting": "put RiseSit and BalanceStand before it",
    "lying": "put StandUp and BalanceStand before it",
}


def _check_space(taught: TaughtSkill, steps: Sequence[Step]) -> None:
    """Refuse what may leave the space asked for from its middle, and walking without any."""
    space_m = taught.movement.space_m
    if not 0 <= space_m <= 10:
        raise _refused(taught, "space_m must be between 0 and 10")
    if taught.tier > Tier.IN_PLACE and space_m < LEAST_SPACE_M:
        raise _refused(taught, f"a skill of tier {taught.tier} needs space_m of {LEAST_SPACE_M:g}")
    farthest = _farthest_m(steps)
    if farthest > space_m / 2:
        raise _refused(
            taught,
            f"it goes {farthest:.2f} m away, which needs space_m of {2 * farthest:.2f}",
        )


def _farthest_m(steps: Sequence[Step]) -> float:
    """Return how far from where it begins the dog, or what it does there, may reach.

    A leap counts wherever it is headed: one that falls short takes nothing off a way back.
    """
    x = y = yaw = carried_m = farthest_m = 0.0
    for step in steps:
        if isinstance(step, TurnBy):
            yaw += step.angle_rad
        if isinstance(step, Drive):
            slices = 20
            for _ in range(slices):
                seconds = step.seconds / slices
                x += (step.vx_m_s * math.cos(yaw) - step.vy_m_s * math.sin(yaw)) * seconds
                y += (step.vx_m_s * math.sin(yaw) + step.vy_m_s * math.cos(yaw)) * seconds
                yaw += step.vyaw_rad_s * seconds
                farthest_m = max(farthest_m, math.hypot(x, y) + carried_m)
        if isinstance(step, Call) and step.name in _CALLS:
            allowed = _CALLS[step.name]
            reach_m = math.hypot(x, y) + carried_m + allowed.space_m / 2
            farthest_m = max(farthest_m, reach_m)
            carried_m += allowed.advance_m
    return farthest_m


def _check_time(taught: TaughtSkill, steps: Sequence[Step]) -> None:
    """Refuse a duration that the steps of known length alone exceed."""
    least = 0.0
    for step in steps:
        if isinstance(step, TurnBy):
            least += abs(step.angle_rad) / step.speed_rad_s
        elif not isinstance(step, Call):
            least += step.seconds
    if least > taught.movement.duration_s:
        raise _refused(taught, f"its steps take {least:.1f} s, more than duration_s")
