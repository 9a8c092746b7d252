"""What the agent asks of a robot: its state, one action at a time, and a stop that waits for nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from shared.outcome import Call, Execution, ExecutionState

DRIVER_TICK_S = 0.05
"""The driver's tick: Move and Euler are sent again this often; stops are promised within two."""

Posture = Literal["unknown", "standing", "sitting", "lying", "damped", "fallen"]


@dataclass(frozen=True)
class RobotState:
    """What the robot last said of itself; lengths in metres, angles in radians.

    `age_s` counts since the last state message, None before the first one; `yaw_total_rad` is the
    heading with whole turns kept, so that a full spin shows as 2π.
    """

    connected: bool
    age_s: float | None
    posture: Posture = "unknown"
    moving: bool = False
    battery_percent: float | None = None
    motor_temperature_c: float | None = None
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw_total_rad: float = 0.0
    body_height_m: float = 0.0
    mode: int | None = None
    error_code: int | None = None


@dataclass(frozen=True)
class Action:
    """A skill that the gate has let through.

    `key` names the action: the same key is never performed twice. `expires_at` is on the clock of
    `time.monotonic`: nothing of the action is started after it.
    """

    skill: str
    key: str
    expires_at: float


@dataclass(frozen=True)
class Progress:
    """A step of an action's life, told while it happens: its new state and the calls so far."""

    state: ExecutionState
    calls: tuple[Call, ...]


class Robot(Protocol):
    """A robot dog. No method blocks the event loop; refusals and failures are values."""

    async def start(self) -> None:
        """Connect and wait for the first state; RobotUnavailable says what to do."""

    async def close(self) -> None:
        """Stop the dog and let go of it."""

    def state(self) -> RobotState:
        """Return the last state; never blocks."""

    async def perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        """Do the action to its end and return what was actually sent and what the state showed.

        Ends early with state "preempted" when `stop` or `damp` is called meanwhile.
        """

    async def stop(self) -> list[Call]:
        """End whatever moves, before anything else that waits; return the calls made."""

    async def damp(self) -> list[Call]:
        """Make the motors soft at once, whatever the posture; return the calls made."""

    def halt(self) -> None:
        """End whatever moves, from any thread and without the event loop, which may hang.

        Never blocks and may be called again and again: from then on nothing more of the action
        under way is sent, a StopMove goes out by itself, and `perform` ends as "preempted" once
        the loop runs again.
        """
