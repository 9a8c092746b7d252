"""The robot's own word on how it is: its state topics, read by a thread into a StateTracker.

A real dog publishes hundreds of messages a second and each costs Python about a millisecond to
decode, so nothing listens to every one: the newest is taken at a steady pace and the rest are
dropped undecoded by Cyclone DDS (its readers keep the last sample only).
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from edge_agent.robot.interface import RobotState
from edge_agent.robot.state_tracker import SportSample, StateTracker

SPORT_STATE_TOPIC = "rt/sportmodestate"
LOW_STATE_TOPIC = "rt/lowstate"
READ_PERIOD_S = 0.02
LOW_STATE_EVERY = 10
LEG_MOTORS = 12


class StateMonitor:
    """Reads the state topics of one DDS domain into a StateTracker by a thread of its own.

    `clock` gives the seconds by which a state's age is told.
    """

    def __init__(self, domain: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.tracker = StateTracker()
        self._domain = domain
        self._clock = clock
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
        return self.tracker.state(self._clock())

    def _read(self, sport: Any, low: Any) -> None:
        round_number = 0
        while not self._ending.wait(READ_PERIOD_S):
            message = _newest(sport)
            if message is not None:
                self.tracker.take_sport(_sport_sample(message, self._clock()))
            if round_number % LOW_STATE_EVERY == 0:
                message = _newest(low)
                if message is not None:
                    motors = message.motor_state[:LEG_MOTORS]
                    hottest = max(float(motor.temperature) for motor in motors)
                    charge = float(message.bms_state.soc)
                    self.tracker.take_low(charge, hottest, self._clock())
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
        stamp_s=float(message.stamp.sec) + 1e-9 * float(message.stamp.nanosec),
    )


def _vector(values: Any) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
