"""What can be seen of the mock dog at one moment."""

import dataclasses
import math
from dataclasses import dataclass

from edge_agent.mock_robot.sport_api import Posture

Vector = tuple[float, float, float]

_ZERO: Vector = (0.0, 0.0, 0.0)
_NAN: Vector = (math.nan, math.nan, math.nan)


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


@dataclass(frozen=True)
class Told:
    """What the state topics say now: `sport` and `low` as states, None where nothing is said."""

    sport: DogState | None
    low: DogState | None


def silence(state: DogState) -> DogState:
    """Return what the sport topic tells while its service is off: zeros."""
    return dataclasses.replace(
        state,
        mode=0,
        progress=0.0,
        position_m=_ZERO,
        velocity_m_s=_ZERO,
        yaw_speed_rad_s=0.0,
        rpy_rad=_ZERO,
        gyroscope_rad_s=_ZERO,
        body_height_m=0.0,
        time_s=0.0,
    )


def spoil(state: DogState) -> DogState:
    """Return the state with numbers that are none."""
    return dataclasses.replace(
        state,
        position_m=_NAN,
        velocity_m_s=_NAN,
        yaw_speed_rad_s=math.nan,
        rpy_rad=_NAN,
        gyroscope_rad_s=_NAN,
        body_height_m=math.nan,
    )
