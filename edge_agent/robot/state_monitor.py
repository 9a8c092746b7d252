"""The robot's own word on how it is: its state topics, read by a thread, told as RobotState.

A real dog publishes hundreds of messages a second and each costs Python about a millisecond to
decode, so nothing listens to every one: the newest is taken at a steady pace and the rest are
dropped undecoded by Cyclone DDS (its readers keep the last sample only).
"""

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from edge_agent.robot.interface import Posture, RobotState

SPORT_STATE_TOPIC = "rt/sportmodestate"
LOW_STATE_TOPIC = "rt/lowstate"
READ_PERIOD_S = 0.02
LOW_STATE_EVERY = 10
CONNECTED_MAX_AGE_S = 2.0
LEG_MOTORS = 12

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

    @property
    def silent(self) -> bool:
        """Whether all is zero, as when the dog's sport service is off."""
        return self.mode == 0 and self.body_height_m == 0.0 and not any(self.rpy_rad)


def posture_of(sample: SportSample) -> Posture:
    """Return the posture that a message shows; "unknown" where it does not say."""
    if sample.silent:
        return "unknown"
    leaping = sample.mode in (11, 12, 13)
    if max(abs(sample.rpy_rad[0]), abs(sample.rpy_rad[1])) > FALLEN_TILT_RAD and not leaping:
        return "fallen"
    if sample.error_code in _POSTURE_OF_STATE_ID:
        return _POSTURE_OF_STATE_ID[sample.error_code]
    if sample.mode in _POSTURE_OF_MODE:
        return _POSTURE_OF_MODE[sample.mode]
    return "standing" if sample.body_height_m > STANDING_HEIGHT_M else "unknown"


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

    Pure but for its lock; times are seconds on the caller's clock. Written by the reader's thread,
    read from anywhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sample: SportSample | None = None
        self._moving = False
        self._yaw_total_rad = 0.0
        self._battery_percent: float | None = None
        self._temperature_c: float | None = None

    def take_sport(self, sample: SportSample) -> None:
        """Take the newest sport state; a message with a value that is not finite is left out."""
        values = (*sample.rpy_rad, *sample.position_m, *sample.velocity_m_s, sample.yaw_speed_rad_s)
        if not all(math.isfinite(value) for value in values):
            return
        with self._lock:
            before = self._sample
            height_speed = 0.0
            if before is None:
                self._yaw_total_rad = sample.rpy_rad[2]
            else:
                turned = math.remainder(sample.rpy_rad[2] - before.rpy_rad[2], 2 * math.pi)
                self._yaw_total_rad += turned
                elapsed_s = max(sample.received_at - before.received_at, 1e-3)
                height_speed = (sample.body_height_m - before.body_height_m) / elapsed_s
            self._sample = sample
            self._moving = is_moving(sample, height_speed)

    def take_low(self, battery_percent: float, temperature_c: float) -> None:
        """Take the newest battery charge and the hottest leg motor's temperature."""
        with self._lock:
            self._battery_percent = battery_percent
            self._temperature_c = temperature_c

    def state(self, now: float) -> RobotState:
        """Return the state as of `now`."""
        with self._lock:
            sample = self._sample
            if sample is None:
                return RobotState(connected=False, age_s=None)
            age_s = max(0.0, now - sample.received_at)
            return RobotState(
                connected=age_s <= CONNECTED_MAX_AGE_S,
                age_s=age_s,
                posture=posture_of(sample),
                moving=self._moving,
                battery_percent=self._battery_percent,
                motor_temperature_c=self._temperature_c,
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


class StateMonitor:
    """Reads the state topics of one DDS domain into a StateTracker by a thread of its own."""

    def __init__(self, domain: int) -> None:
        self.tracker = StateTracker()
        self._domain = domain
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the readers and start the thread; the process has joined the domain already."""
        if self._thread is not None:
            return
        sport, low = _open_readers(self._domain)
        self._thread = threading.Thread(
            target=self._read, args=(sport, low), name="robot-state", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns once it is gone."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def state(self) -> RobotState:
        """Return the last state with its age."""
        return self.tracker.state(time.monotonic())

    def _read(self, sport: Any, low: Any) -> None:
        round_number = 0
        while not self._ending.wait(READ_PERIOD_S):
            message = _newest(sport)
            if message is not None:
                self.tracker.take_sport(_sport_sample(message, time.monotonic()))
            if round_number % LOW_STATE_EVERY == 0:
                message = _newest(low)
                if message is not None:
                    motors = message.motor_state[:LEG_MOTORS]
                    hottest = max(float(motor.temperature) for motor in motors)
                    self.tracker.take_low(float(message.bms_state.soc), hottest)
            round_number += 1


def _open_readers(domain: int) -> tuple[Any, Any]:
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.sub import DataReader
    from cyclonedds.topic import Topic
    from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_, SportModeState_

    # A second participant: the SDK hides its own, and its readers decode every message.
    participant = DomainParticipant(domain)
    return (
        DataReader(participant, Topic(participant, SPORT_STATE_TOPIC, SportModeState_)),
        DataReader(participant, Topic(participant, LOW_STATE_TOPIC, LowState_)),
    )


def _newest(reader: Any) -> Any:
    samples = [each for each in reader.take(N=1) if each.sample_info.valid_data]
    return samples[-1] if samples else None


def _sport_sample(message: Any, now: float) -> SportSample:
    return SportSample(
        mode=int(message.mode),
        error_code=int(message.error_code),
        progress=float(message.progress),
        position_m=_vector(message.position),
        velocity_m_s=_vector(message.velocity),
        yaw_speed_rad_s=float(message.yaw_speed),
        rpy_rad=_vector(message.imu_state.rpy),
        gyroscope_rad_s=_vector(message.imu_state.gyroscope),
        body_height_m=float(message.body_height),
        received_at=now,
    )


def _vector(values: Any) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
