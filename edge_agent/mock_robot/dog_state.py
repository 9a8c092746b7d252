"""What can be seen of the mock dog at one moment."""

from dataclasses import dataclass

from edge_agent.mock_robot.sport_api import Posture

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class DogState:
    """The dog at one moment, as the state topics and the page tell it.

    `rpy_rad` holds the heading wrapped into ±π, `yaw_total_rad` with whole turns kept;
    `progress` runs from 0 to 1 while a trick is performed and is 0 otherwise.
    """

    posture: Posture
    mode: int
    progress: float
    doing: str | None
    position_m: Vector
    velocity_m_s: Vector
    yaw_speed_rad_s: float
    yaw_total_rad: float
    rpy_rad: Vector
    gyroscope_rad_s: Vector
    body_height_m: float
    battery_percent: float
    motor_temperature_c: float
    moving: bool
    locked: bool
    time_s: float
