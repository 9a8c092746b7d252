"""How the mock dog moves: postures that take time, walking, tilts, tricks, falls, a battery.

Pure: time passes only in `step`, nothing here knows of DDS, threads or clocks. Units are metres,
radians, seconds and percent. Like a real dog it acknowledges calls that it does not obey.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from edge_agent.mock_robot.dog_state import DogState, Vector
from edge_agent.mock_robot.locomotion import Torso, Walk
from edge_agent.mock_robot.sport_api import (
    ALL_NAMES,
    BAD_PARAMETER,
    EULER,
    MOVE,
    NAMES,
    NOT_IMPLEMENTED,
    OK,
    POSE,
    POSTURE_CHANGES,
    RECOVERY_STAND,
    STAND_UP,
    STOP_MOVE,
    TRICKS,
    Posture,
    PostureChange,
    Trick,
)

SHIFT_S = 0.15
STILL_M_S = 0.02
STILL_RAD_S = 0.05
FALLEN_ROLL_RAD = 1.5
BATTERY_IDLE_PERCENT_S = 0.001
BATTERY_MOVING_PERCENT_S = 0.01
RELAXED_TEMPERATURE_C = 30.0
WORKING_TEMPERATURE_C = 55.0
TEMPERATURE_TIME_CONSTANT_S = 600.0

HEIGHT_M: dict[Posture, float] = {
    "standing": 0.32,
    "sitting": 0.24,
    "lying": 0.09,
    "damped": 0.07,
    "fallen": 0.11,
}
_MODE: dict[Posture, int] = {"standing": 1, "sitting": 10, "lying": 5, "damped": 7, "fallen": 0}
MODE_POSE, MODE_LOCOMOTION, MODE_LOCKED, MODE_RECOVERING = 2, 3, 6, 8


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

    @property
    def progress(self) -> float:
        return max(0.01, min(1.0, self.elapsed_s / self.trick.seconds))


class DogPhysics:
    """The dog's body; `command` is one call of the sport service, `step` lets time pass.

    For `readiness_s` seconds after StandUp it ignores Move and Euler even in balance. `on_side`: it
    lies where it fell, soft or not, and only RecoveryStand brings it up.
    """

    def __init__(self, posture: Posture = "standing", battery_percent: float = 92.0) -> None:
        self.time_s = 0.0
        self.battery_percent = battery_percent
        self.motor_temperature_c, self.readiness_s = 36.0, 0.0
        self._walk = Walk()
        self._torso = Torso()
        self._change: _Change | None = None
        self._running: _Running | None = None
        self.put(posture)

    # --- calls -------------------------------------------------------------------------------

    def command(self, api_id: int, parameter: str) -> int:
        """Take one call and return its status code; the reply says accepted, never obeyed."""
        if api_id not in NAMES and api_id not in TRICKS:
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
        if not self._ready() or self.locked or self.posing or self._deaf_s > 0.0:
            return OK  # acknowledged and ignored, as after StandUp on the real dog
        if api_id == MOVE:
            self._walk.command(wanted)
        else:
            self._torso.command(wanted)
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
        self._walk.stop()
        self._torso.stop()
        self.posing = False
        if self._running is not None and not self._running.trick.airborne:
            self._end_trick()

    def _begin_change(self, api_id: int) -> None:
        rule = POSTURE_CHANGES[api_id]
        lies: Posture = "fallen" if self.on_side else self.posture
        free = self._change is None and self._running is None
        if rule.end != "damped" and (not free or lies not in rule.starts):
            return
        self._stop()
        self._running = None
        self._change = _Change(api_id, rule, self._height_m)

    # --- what happens to it ----------------------------------------------------------------------

    def put(self, posture: Posture) -> None:
        """Bring the dog into a posture at once, as a fall or a power cut does; all motion ends."""
        self._stop()
        self._running = self._change = None
        self.posture = posture
        self.on_side = posture == "fallen"
        self.locked = False
        self._deaf_s = 0.0
        self._height_m = HEIGHT_M[posture]

    def restart(self) -> None:
        """Lose power: the motors go soft, clock and odometry begin anew."""
        self.put("damped")
        self._walk, self._torso = Walk(), Torso()
        self.time_s = 0.0

    # --- time --------------------------------------------------------------------------------

    def step(self, dt_s: float) -> None:
        """Let `dt_s` > 0 seconds pass; steps of 5 to 50 ms give the same motion to a few percent."""
        self.time_s += dt_s
        self._deaf_s = max(0.0, self._deaf_s - dt_s)
        self._step_change(dt_s)
        self._step_trick(dt_s)
        if self.on_side and (self._change is None or self._change.rule.end == "damped"):
            self._torso.turn_over(FALLEN_ROLL_RAD)
        self._walk.step(dt_s)
        self._torso.step(dt_s)
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
            self.on_side = self.on_side and self.posture == "damped"
            self.locked = change.rule.locked
            self._change = None
            if change.api_id == STAND_UP:
                self._deaf_s = self.readiness_s

    def _step_trick(self, dt_s: float) -> None:
        running = self._running
        if running is None:
            return
        running.elapsed_s += dt_s
        trick = running.trick
        self._walk.carry(trick.advance_m * dt_s / trick.seconds)
        if running.elapsed_s >= trick.seconds:
            self._end_trick()
            return
        wave = math.sin(math.pi * running.progress)
        if trick.on_ground:
            self._torso.turn_over(math.pi * wave)
            self._height_m = HEIGHT_M["standing"] + wave * (
                HEIGHT_M["lying"] - HEIGHT_M["standing"]
            )
            return
        sway = trick.sway_rad * math.sin(2 * math.pi * running.elapsed_s / 1.0)
        self._torso.command((0.6 * sway, -abs(sway), 0.4 * sway))
        if trick.airborne:
            self._height_m = HEIGHT_M["standing"] + 0.25 * wave

    def _end_trick(self) -> None:
        self._running = None
        self._torso.stop()
        self._height_m = HEIGHT_M["standing"]

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
            or self._walk.speed_m_s > STILL_M_S
            or max(abs(value) for value in (*self._gyroscope(), self._walk.velocity[2]))
            > STILL_RAD_S
        )

    def state(self) -> DogState:
        """Return the dog as it is now."""
        running, change, walk = self._running, self._change, self._walk
        roll, pitch, twist = self._torso.attitude
        active = running.api_id if running else change.api_id if change else None
        return DogState(
            posture=self.posture,
            mode=self._mode(),
            progress=0.0 if running is None else running.progress,
            doing=None if active is None else ALL_NAMES[active],
            position_m=(walk.x_m, walk.y_m, self._height_m),
            velocity_m_s=(walk.velocity[0], walk.velocity[1], 0.0),
            yaw_speed_rad_s=walk.velocity[2],
            yaw_total_rad=walk.yaw_rad,
            rpy_rad=(roll, pitch, math.remainder(walk.yaw_rad + twist, 2 * math.pi)),
            gyroscope_rad_s=self._gyroscope(),
            body_height_m=self._height_m,
            battery_percent=self.battery_percent,
            motor_temperature_c=self.motor_temperature_c,
            moving=self.moving,
            locked=self.locked,
            time_s=self.time_s,
        )

    def _gyroscope(self) -> Vector:
        roll, pitch, yaw = self._torso.rates
        return (roll, pitch, yaw + self._walk.velocity[2])

    def _mode(self) -> int:
        if self._running is not None:
            return self._running.trick.mode
        if self._change is not None and self._change.api_id == RECOVERY_STAND:
            return MODE_RECOVERING
        if self.posture != "standing":
            return _MODE[self.posture]
        if self.locked:
            return MODE_LOCKED
        if self.posing:
            return MODE_POSE
        return MODE_LOCOMOTION if self._walk.left_s > 0.0 else _MODE["standing"]
