"""What the robot's state messages mean: posture, motion, heading, age, and whether it is news.

Pure but for a lock: messages and times come from the caller. A message counts only if it is one:
finite numbers, and a stamp that has moved on since the last. A dog that repeats itself is stale.
"""

import math
import threading
from dataclasses import dataclass

from edge_agent.robot.interface import Posture, RobotState

CONNECTED_MAX_AGE_S = 2.0
LOW_STATE_MAX_AGE_S = 5.0
RESTART_STAMP_S = 0.5
"""A stamp that goes back by more than this says that the robot has restarted."""

MOVING_SPEED_M_S = 0.05
MOVING_YAW_SPEED_RAD_S = 0.12
MOVING_TILT_SPEED_RAD_S = 0.25
MOVING_HEIGHT_SPEED_M_S = 0.04
STANDING_HEIGHT_M = 0.27
FALLEN_TILT_RAD = 1.0
MODE_BALANCED = 1

_POSTURE_OF_MODE: dict[int, Posture] = {
    1: "standing",  # balanceStand
    2: "standing",  # pose
    3: "standing",  # locomotion
    5: "lying",
    6: "standing",  # jointLock, after StandUp
    7: "damped",
    10: "sitting",
    11: "standing",  # frontFlip
    12: "standing",  # frontJump
    13: "standing",  # frontPounce
}
# "mcf" firmware tells its state's id in error_code. From users, tried on no dog.
_POSTURE_OF_STATE_ID: dict[int, Posture] = {
    100: "standing",
    1001: "damped",
    1002: "standing",
    1004: "lying",
    1007: "sitting",
    1013: "standing",
    1015: "standing",
    2006: "lying",
}


@dataclass(frozen=True)
class SportSample:
    """What is kept of one `rt/sportmodestate` message; radians, metres, seconds."""

    mode: int
    error_code: int
    progress: float
    position_m: tuple[float, float, float]
    velocity_m_s: tuple[float, float, float]
    yaw_speed_rad_s: float
    rpy_rad: tuple[float, float, float]
    gyroscope_rad_s: tuple[float, float, float]
    body_height_m: float
    received_at: float
    stamp_s: float = 0.0

    @property
    def finite(self) -> bool:
        """Whether every number is one."""
        values = (
            *self.rpy_rad,
            *self.position_m,
            *self.velocity_m_s,
            *self.gyroscope_rad_s,
            self.yaw_speed_rad_s,
            self.body_height_m,
            self.progress,
        )
        return all(math.isfinite(value) for value in values)

    @property
    def silent(self) -> bool:
        """Whether all is zero, as when the dog's sport service is off."""
        return self.mode == 0 and self.body_height_m == 0.0 and not any(self.rpy_rad)


def posture_of(sample: SportSample) -> Posture:
    """Return the posture that a message shows; "unknown" where it does not say."""
    if sample.silent:
        return "unknown"
    # within a leap or a trick of the firmware's own, as a roll on the ground, a tilt is no fall
    performing = sample.mode in (11, 12, 13) or sample.progress > 0.0
    if max(abs(sample.rpy_rad[0]), abs(sample.rpy_rad[1])) > FALLEN_TILT_RAD and not performing:
        return "fallen"
    told = _told_posture(sample.mode, sample.error_code)
    if told is not None:
        return told
    return "standing" if sample.body_height_m > STANDING_HEIGHT_M else "unknown"


def says_damped(state: RobotState) -> bool:
    """Return whether the robot says that its motors are soft, however it lies."""
    return _told_posture(state.mode, state.error_code) == "damped"


def _told_posture(mode: int | None, error_code: int | None) -> Posture | None:
    if error_code in _POSTURE_OF_STATE_ID:
        return _POSTURE_OF_STATE_ID[error_code]
    return None if mode is None else _POSTURE_OF_MODE.get(mode)


def is_moving(sample: SportSample, height_speed_m_s: float) -> bool:
    """Return whether a message shows visible motion; thresholds lie above a standing dog's noise."""
    tilt = max(abs(sample.gyroscope_rad_s[0]), abs(sample.gyroscope_rad_s[1]))
    turn = max(abs(sample.yaw_speed_rad_s), abs(sample.gyroscope_rad_s[2]))
    return (
        sample.progress > 0.0
        or math.hypot(*sample.velocity_m_s) > MOVING_SPEED_M_S
        or turn > MOVING_YAW_SPEED_RAD_S
        or tilt > MOVING_TILT_SPEED_RAD_S
        or abs(height_speed_m_s) > MOVING_HEIGHT_SPEED_M_S
    )


class StateTracker:
    """Turns messages into RobotState: heading with whole turns kept, age, battery, temperature.

    Times are seconds on the caller's clock. Written by the reader's thread, read from anywhere.
    `session` counts the robot's lives: a restart, or a silence, begins a new one.
    """

    def __init__(self) -> None:
        self.session = 0
        self._lock = threading.Lock()
        self._sample: SportSample | None = None
        self._stamp_s = 0.0
        self._moving = False
        self._yaw_total_rad = 0.0
        self._battery_percent: float | None = None
        self._temperature_c: float | None = None
        self._low_received_at = -math.inf

    def take_sport(self, sample: SportSample) -> None:
        """Take the newest sport state; one without finite numbers or news is left out."""
        if not sample.finite:
            return
        with self._lock:
            before = self._sample
            if before is not None and 0.0 < sample.stamp_s == self._stamp_s:
                return  # the same message again: whoever repeats it knows nothing new
            height_speed = 0.0
            if before is None or self._begins_anew(before, sample):
                self.session += 1
                self._stamp_s = 0.0
                self._yaw_total_rad = sample.rpy_rad[2]
            else:
                turned = math.remainder(sample.rpy_rad[2] - before.rpy_rad[2], 2 * math.pi)
                self._yaw_total_rad += turned
                elapsed_s = max(sample.received_at - before.received_at, 1e-3)
                height_speed = (sample.body_height_m - before.body_height_m) / elapsed_s
            self._sample = sample
            self._stamp_s = sample.stamp_s or self._stamp_s  # zero says that it tells none
            self._moving = is_moving(sample, height_speed)

    def take_low(self, battery_percent: float, temperature_c: float, received_at: float) -> None:
        """Take the newest battery charge and the hottest leg motor's temperature."""
        with self._lock:
            self._battery_percent = battery_percent
            self._temperature_c = temperature_c
            self._low_received_at = received_at

    def state(self, now: float) -> RobotState:
        """Return the state as of `now`; charge and temperature are unknown once they are old."""
        with self._lock:
            sample = self._sample
            if sample is None:
                return RobotState(connected=False, age_s=None)
            age_s = max(0.0, now - sample.received_at)
            low = now - self._low_received_at <= LOW_STATE_MAX_AGE_S
            return RobotState(
                connected=age_s <= CONNECTED_MAX_AGE_S,
                age_s=age_s,
                posture=posture_of(sample),
                moving=self._moving,
                battery_percent=self._battery_percent if low else None,
                motor_temperature_c=self._temperature_c if low else None,
                position_m=sample.position_m,
                yaw_total_rad=self._yaw_total_rad,
                body_height_m=sample.body_height_m,
                mode=sample.mode,
                error_code=sample.error_code,
            )

    @property
    def received_at(self) -> float:
        """When the newest message came, minus infinity before the first."""
        sample = self._sample
        return -math.inf if sample is None else sample.received_at

    @property
    def progress(self) -> float:
        """How far the dog's own performance is, 0 where it performs none."""
        sample = self._sample
        return 0.0 if sample is None else sample.progress

    @property
    def silent(self) -> bool:
        """Whether the last message was all zero, as while the dog's sport service is off."""
        sample = self._sample
        return sample is not None and sample.silent

    def _begins_anew(self, before: SportSample, sample: SportSample) -> bool:
        silence_s = sample.received_at - before.received_at
        went_back_s = self._stamp_s - sample.stamp_s if sample.stamp_s > 0.0 else 0.0
        return silence_s > CONNECTED_MAX_AGE_S or went_back_s > RESTART_STAMP_S
