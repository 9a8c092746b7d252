"""How the mock dog moves: postures that take time, integrated walking, tilts, tricks, a battery.

Pure: time passes only in `step`, nothing here knows of DDS, threads or clocks. Units are metres,
radians, seconds and percent. Like a real dog it acknowledges calls that it does not obey.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from edge_agent.mock_robot.dog_state import DogState, Vector
from edge_agent.mock_robot.sport_api import (
    BAD_PARAMETER,
    EULER,
    MOVE,
    NAMES,
    NOT_IMPLEMENTED,
    OK,
    POSE,
    POSTURE_CHANGES,
    STOP_MOVE,
    TRICKS,
    Posture,
    PostureChange,
    Trick,
)

MOVE_LIFE_S = 1.0
EULER_LIFE_S = 0.5
VELOCITY_TIME_CONSTANT_S = 0.08
ATTITUDE_TIME_CONSTANT_S = 0.06
SHIFT_S = 0.15
STILL_M_S = 0.02
STILL_RAD_S = 0.05
MAX_VELOCITY = (3.8, 1.0, 4.0)
MAX_EULER = (0.75, 0.75, 0.6)
BATTERY_IDLE_PERCENT_S = 0.001
BATTERY_MOVING_PERCENT_S = 0.01
RELAXED_TEMPERATURE_C = 30.0
WORKING_TEMPERATURE_C = 55.0
TEMPERATURE_TIME_CONSTANT_S = 600.0

HEIGHT_M: dict[Posture, float] = {"standing": 0.32, "sitting": 0.24, "lying": 0.09, "damped": 0.07}
_MODE: dict[Posture, int] = {"standing": 1, "sitting": 10, "lying": 5, "damped": 7}
MODE_POSE, MODE_LOCOMOTION, MODE_LOCKED, MODE_RECOVERING = 2, 3, 6, 8

_ZERO: Vector = (0.0, 0.0, 0.0)


@dataclass
class _Change:
    api_id: int
    rule: PostureChange
    from_height_m: float
    elapsed_s: float = 0.0


@dataclass
class _Running:
    api_id: int
    trick: Trick
    elapsed_s: float = 0.0


class DogPhysics:
    """The dog's body; `command` is one call of the sport service, `step` lets time pass."""

    def __init__(self, posture: Posture = "standing", battery_percent: float = 92.0) -> None:
        self.time_s = 0.0
        self.posture: Posture = posture
        self.locked = False
        self.posing = False
        self.battery_percent = battery_percent
        self.motor_temperature_c = 36.0
        self._height_m = HEIGHT_M[posture]
        self._x_m = self._y_m = self._yaw_rad = 0.0
        self._velocity: Vector = _ZERO
        self._wanted_velocity: Vector = _ZERO
        self._move_left_s = 0.0
        self._attitude: Vector = _ZERO
        self._wanted_attitude: Vector = _ZERO
        self._euler_left_s = 0.0
        self._gyroscope: Vector = _ZERO
        self._change: _Change | None = None
        self._running: _Running | None = None

    # --- calls -------------------------------------------------------------------------------

    def command(self, api_id: int, parameter: str) -> int:
        """Take one call and return its status code; the reply says accepted, never obeyed."""
        if api_id not in NAMES:
            return NOT_IMPLEMENTED
        try:
            values = json.loads(parameter or "{}")
        except ValueError:
            return BAD_PARAMETER
        if not isinstance(values, dict):
            return BAD_PARAMETER
        if api_id in (MOVE, EULER):
            return self._take_vector(api_id, values)
        if api_id == POSE:
            return self._pose(values)
        if api_id == STOP_MOVE:
            self._stop()
        elif api_id in POSTURE_CHANGES:
            self._begin_change(api_id)
        elif api_id in TRICKS and self._ready() and not self.posing:
            self._stop()
            self._running = _Running(api_id, TRICKS[api_id])
        return OK

    def _take_vector(self, api_id: int, values: dict[str, Any]) -> int:
        try:
            wanted = (float(values["x"]), float(values["y"]), float(values["z"]))
        except (KeyError, TypeError, ValueError):
            return BAD_PARAMETER
        if not all(math.isfinite(value) for value in wanted):
            return BAD_PARAMETER
        if not self._ready() or self.locked or self.posing:
            return OK  # acknowledged and ignored, as after StandUp on the real dog
        if api_id == MOVE:
            self._wanted_velocity = _clamp(wanted, MAX_VELOCITY)
            self._move_left_s = MOVE_LIFE_S
        else:
            self._wanted_attitude = _clamp(wanted, MAX_EULER)
            self._euler_left_s = EULER_LIFE_S
        return OK

    def _pose(self, values: dict[str, Any]) -> int:
        flag = values.get("data")
        if not isinstance(flag, bool):
            return BAD_PARAMETER
        if self._ready() and not self.locked:
            self._stop()
            self.posing = flag
        return OK

    def _ready(self) -> bool:
        return self.posture == "standing" and self._change is None and self._running is None

    def _stop(self) -> None:
        """End walking, tilts, poses and tricks; what has begun to sit or leap comes down first."""
        self._move_left_s = self._euler_left_s = 0.0
        self._wanted_velocity = self._wanted_attitude = _ZERO
        self.posing = False
        if self._running is not None and not self._running.trick.airborne:
            self._running = None

    def _begin_change(self, api_id: int) -> None:
        rule = POSTURE_CHANGES[api_id]
        damping = rule.end == "damped"
        free = self._change is None and self._running is None
        if not damping and (not free or self.posture not in rule.starts):
            return
        self._stop()
        self._running = None
        self._change = _Change(api_id, rule, self._height_m)

    # --- time --------------------------------------------------------------------------------

    def step(self, dt_s: float) -> None:
        """Let `dt_s` > 0 seconds pass; steps of 5 to 50 ms give the same motion to a few percent."""
        self.time_s += dt_s
        self._step_change(dt_s)
        self._step_trick(dt_s)
        self._step_walk(dt_s)
        self._step_attitude(dt_s)
        self._step_body(dt_s)

    def _step_change(self, dt_s: float) -> None:
        change = self._change
        if change is None:
            return
        change.elapsed_s += dt_s
        seconds = change.rule.seconds
        if change.rule.end == self.posture:  # it is there already and only shifts its weight
            seconds = min(seconds, SHIFT_S)
        share = min(1.0, change.elapsed_s / seconds)
        self._height_m = change.from_height_m + share * (
            HEIGHT_M[change.rule.end] - change.from_height_m
        )
        if share >= 1.0:
            self.posture = change.rule.end
            self.locked = change.rule.locked
            self._change = None

    def _step_trick(self, dt_s: float) -> None:
        running = self._running
        if running is None:
            return
        running.elapsed_s += dt_s
        trick = running.trick
        advance_m = trick.advance_m * dt_s / trick.seconds
        self._x_m += advance_m * math.cos(self._yaw_rad)
        self._y_m += advance_m * math.sin(self._yaw_rad)
        if running.elapsed_s >= trick.seconds:
            self._running = None
            self._wanted_attitude = _ZERO
            self._height_m = HEIGHT_M["standing"]
            return
        sway = trick.sway_rad * math.sin(2 * math.pi * running.elapsed_s / 1.0)
        self._wanted_attitude = (0.6 * sway, -abs(sway), 0.4 * sway)
        self._euler_left_s = EULER_LIFE_S
        if trick.airborne:
            flight = math.sin(math.pi * running.elapsed_s / trick.seconds)
            self._height_m = HEIGHT_M["standing"] + 0.25 * flight

    def _step_walk(self, dt_s: float) -> None:
        self._move_left_s = max(0.0, self._move_left_s - dt_s)
        wanted = self._wanted_velocity if self._move_left_s > 0.0 else _ZERO
        before = self._velocity
        self._velocity = _follow(before, wanted, dt_s / VELOCITY_TIME_CONSTANT_S)
        vx, vy, vyaw = ((a + b) / 2 for a, b in zip(before, self._velocity, strict=True))
        heading = self._yaw_rad + vyaw * dt_s / 2
        self._x_m += (vx * math.cos(heading) - vy * math.sin(heading)) * dt_s
        self._y_m += (vx * math.sin(heading) + vy * math.cos(heading)) * dt_s
        self._yaw_rad += vyaw * dt_s

    def _step_attitude(self, dt_s: float) -> None:
        self._euler_left_s = max(0.0, self._euler_left_s - dt_s)
        wanted = self._wanted_attitude if self._euler_left_s > 0.0 else _ZERO
        before = self._attitude
        self._attitude = _follow(before, wanted, dt_s / ATTITUDE_TIME_CONSTANT_S)
        roll, pitch, yaw = ((b - a) / dt_s for a, b in zip(before, self._attitude, strict=True))
        self._gyroscope = (roll, pitch, yaw + self._velocity[2])

    def _step_body(self, dt_s: float) -> None:
        moving = self.moving
        drain = BATTERY_MOVING_PERCENT_S if moving else BATTERY_IDLE_PERCENT_S
        self.battery_percent = max(0.0, self.battery_percent - drain * dt_s)
        target = WORKING_TEMPERATURE_C if moving else RELAXED_TEMPERATURE_C
        share = min(1.0, dt_s / TEMPERATURE_TIME_CONSTANT_S)
        self.motor_temperature_c += (target - self.motor_temperature_c) * share

    # --- what can be seen ----------------------------------------------------------------------

    @property
    def moving(self) -> bool:
        """Whether any part of the dog moves visibly."""
        return (
            self._change is not None
            or self._running is not None
            or math.hypot(self._velocity[0], self._velocity[1]) > STILL_M_S
            or max(abs(value) for value in (*self._gyroscope, self._velocity[2])) > STILL_RAD_S
        )

    def state(self) -> DogState:
        """Return the dog as it is now."""
        running, change = self._running, self._change
        roll, pitch, twist = self._attitude
        active = running.api_id if running else change.api_id if change else None
        return DogState(
            posture=self.posture,
            mode=self._mode(),
            progress=0.0 if running is None else _progress(running),
            doing=None if active is None else NAMES[active],
            position_m=(self._x_m, self._y_m, self._height_m),
            velocity_m_s=(self._velocity[0], self._velocity[1], 0.0),
            yaw_speed_rad_s=self._velocity[2],
            yaw_total_rad=self._yaw_rad,
            rpy_rad=(roll, pitch, math.remainder(self._yaw_rad + twist, 2 * math.pi)),
            gyroscope_rad_s=self._gyroscope,
            body_height_m=self._height_m,
            battery_percent=self.battery_percent,
            motor_temperature_c=self.motor_temperature_c,
            moving=self.moving,
            locked=self.locked,
            time_s=self.time_s,
        )

    def _mode(self) -> int:
        if self._running is not None:
            return self._running.trick.mode
        if self._change is not None and self._change.api_id == 1006:
            return MODE_RECOVERING
        if self.posture != "standing":
            return _MODE[self.posture]
        if self.locked:
            return MODE_LOCKED
        if self.posing:
            return MODE_POSE
        return MODE_LOCOMOTION if self._move_left_s > 0.0 else _MODE["standing"]


def _progress(running: _Running) -> float:
    return max(0.01, min(1.0, running.elapsed_s / running.trick.seconds))


def _clamp(values: Vector, limits: Vector) -> Vector:
    x, y, z = (max(-limit, min(limit, value)) for value, limit in zip(values, limits, strict=True))
    return (x, y, z)


def _follow(now: Vector, wanted: Vector, share: float) -> Vector:
    """Move `now` towards `wanted` by first-order lag; `share` is the step over the time constant."""
    keep = math.exp(-share)
    x, y, z = (b + (a - b) * keep for a, b in zip(now, wanted, strict=True))
    return (x, y, z)
