"""The parts of the mock dog that follow commands: the legs' walking and the torso's tilt.

Pure: time passes only in `step`. Metres, radians, seconds. A command lives for a moment only and
has to be sent again, as on the real dog.
"""

import math

from edge_agent.mock_robot.dog_state import Vector

MOVE_LIFE_S = 1.0
EULER_LIFE_S = 0.5
VELOCITY_TIME_CONSTANT_S = 0.08
ATTITUDE_TIME_CONSTANT_S = 0.06
MAX_VELOCITY = (3.8, 1.0, 4.0)
MAX_EULER = (0.75, 0.75, 0.6)

ZERO: Vector = (0.0, 0.0, 0.0)


class Walk:
    """Where the dog is and how fast it goes; `velocity` is vx, vy, vyaw in its own frame."""

    def __init__(self) -> None:
        self.x_m = self.y_m = self.yaw_rad = 0.0
        self.velocity: Vector = ZERO
        self.left_s = 0.0
        self._wanted: Vector = ZERO

    def command(self, wanted: Vector) -> None:
        """Walk at this velocity for MOVE_LIFE_S."""
        self._wanted = _clamp(wanted, MAX_VELOCITY)
        self.left_s = MOVE_LIFE_S

    def stop(self) -> None:
        """Want to stand still from now on."""
        self.left_s = 0.0

    def carry(self, advance_m: float) -> None:
        """Put the dog forward by a trick's own motion."""
        self.x_m += advance_m * math.cos(self.yaw_rad)
        self.y_m += advance_m * math.sin(self.yaw_rad)

    def step(self, dt_s: float) -> None:
        """Let `dt_s` > 0 seconds pass."""
        self.left_s = max(0.0, self.left_s - dt_s)
        before = self.velocity
        wanted = self._wanted if self.left_s > 0.0 else ZERO
        self.velocity = _follow(before, wanted, dt_s / VELOCITY_TIME_CONSTANT_S)
        vx, vy, vyaw = ((a + b) / 2 for a, b in zip(before, self.velocity, strict=True))
        heading = self.yaw_rad + vyaw * dt_s / 2
        self.x_m += (vx * math.cos(heading) - vy * math.sin(heading)) * dt_s
        self.y_m += (vx * math.sin(heading) + vy * math.cos(heading)) * dt_s
        self.yaw_rad += vyaw * dt_s

    @property
    def speed_m_s(self) -> float:
        """How fast it goes over the ground."""
        return math.hypot(self.velocity[0], self.velocity[1])


class Torso:
    """The torso's roll, pitch and twist against the feet, and how fast they change."""

    def __init__(self) -> None:
        self.attitude: Vector = ZERO
        self.rates: Vector = ZERO
        self._wanted: Vector = ZERO
        self._left_s = 0.0

    def command(self, wanted: Vector) -> None:
        """Tilt to this attitude for EULER_LIFE_S; the firmware's own limits apply."""
        self._wanted = _clamp(wanted, MAX_EULER)
        self._left_s = EULER_LIFE_S

    def turn_over(self, roll_rad: float) -> None:
        """Roll as far as a dog on the ground can, beyond the limits of a standing one."""
        self._wanted = (roll_rad, 0.0, 0.0)
        self._left_s = EULER_LIFE_S

    def stop(self) -> None:
        """Want to be level from now on."""
        self._left_s = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` > 0 seconds pass."""
        self._left_s = max(0.0, self._left_s - dt_s)
        before = self.attitude
        wanted = self._wanted if self._left_s > 0.0 else ZERO
        self.attitude = _follow(before, wanted, dt_s / ATTITUDE_TIME_CONSTANT_S)
        roll, pitch, yaw = ((b - a) / dt_s for a, b in zip(before, self.attitude, strict=True))
        self.rates = (roll, pitch, yaw)


def _clamp(values: Vector, limits: Vector) -> Vector:
    x, y, z = (max(-limit, min(limit, value)) for value, limit in zip(values, limits, strict=True))
    return (x, y, z)


def _follow(now: Vector, wanted: Vector, share: float) -> Vector:
    """Move `now` towards `wanted` by first-order lag; `share` is the step over the time constant."""
    keep = math.exp(-share)
    x, y, z = (b + (a - b) * keep for a, b in zip(now, wanted, strict=True))
    return (x, y, z)
