"""What the mock's sport service knows: every call's id, name and effect, after the SDK's source."""

from dataclasses import dataclass
from typing import Literal

Posture = Literal["standing", "sitting", "lying", "damped", "fallen"]

SPORT = "sport"
SERVICE_VERSION = "1.0.0.1"

OK = 0
NOT_IMPLEMENTED = 3203
BAD_PARAMETER = 3204

STOP_MOVE = 1003
STAND_UP = 1004
RECOVERY_STAND = 1006
EULER = 1007
MOVE = 1008
POSE = 1028
AUTO_RECOVERY_GET = 2055


@dataclass(frozen=True)
class PostureChange:
    """A way from some postures to another one, in seconds; `locked` legs do not walk."""

    end: Posture
    seconds: float
    starts: tuple[Posture, ...]
    locked: bool = False


@dataclass(frozen=True)
class Trick:
    """A motion of the firmware's own, in seconds; `advance_m` is how far it carries the dog.

    It stays on its feet unless it is `airborne` or, `on_ground`, rolls over its back.
    """

    seconds: float
    mode: int = 1
    sway_rad: float = 0.15
    advance_m: float = 0.0
    airborne: bool = False
    on_ground: bool = False


POSTURE_CHANGES: dict[int, PostureChange] = {
    1001: PostureChange("damped", 0.4, ("standing", "sitting", "lying", "damped", "fallen")),
    1002: PostureChange("standing", 0.15, ("standing",)),
    1004: PostureChange("standing", 1.2, ("standing", "sitting", "lying", "damped"), locked=True),
    1005: PostureChange("lying", 1.2, ("standing", "lying")),
    1006: PostureChange("standing", 1.6, ("standing", "sitting", "lying", "damped", "fallen")),
    1009: PostureChange("sitting", 1.2, ("standing", "sitting")),
    1010: PostureChange("standing", 1.2, ("sitting",)),
}

TRICKS: dict[int, Trick] = {
    1016: Trick(2.5),
    1017: Trick(3.0, sway_rad=0.3),
    1020: Trick(1.5),
    1021: Trick(5.0, on_ground=True),
    1022: Trick(6.0, sway_rad=0.25),
    1023: Trick(6.0, sway_rad=0.25),
    1029: Trick(2.5, sway_rad=0.25),
    1030: Trick(1.5, mode=11, sway_rad=0.0, advance_m=0.3, airborne=True),
    1031: Trick(1.2, mode=12, sway_rad=0.0, advance_m=0.6, airborne=True),
    1032: Trick(1.2, mode=13, sway_rad=0.1, advance_m=0.4, airborne=True),
    1033: Trick(3.0, sway_rad=0.25),
    1036: Trick(2.5),
    2041: Trick(1.5, sway_rad=0.0, airborne=True),
    2043: Trick(1.5, sway_rad=0.0, airborne=True),
}

NAMES: dict[int, str] = {
    1001: "Damp",
    1002: "BalanceStand",
    1003: "StopMove",
    1004: "StandUp",
    1005: "StandDown",
    1006: "RecoveryStand",
    1007: "Euler",
    1008: "Move",
    1009: "Sit",
    1010: "RiseSit",
    1015: "SpeedLevel",
    1016: "Hello",
    1017: "Stretch",
    1020: "Content",
    1022: "Dance1",
    1023: "Dance2",
    1027: "SwitchJoystick",
    1028: "Pose",
    1029: "Scrape",
    1030: "FrontFlip",
    1031: "FrontJump",
    1032: "FrontPounce",
    1036: "Heart",
    1061: "StaticWalk",
    1062: "TrotRun",
    1063: "EconomicGait",
    2041: "LeftFlip",
    2043: "BackFlip",
    2044: "HandStand",
    2045: "FreeWalk",
    2046: "FreeBound",
    2047: "FreeJump",
    2048: "FreeAvoid",
    2049: "ClassicWalk",
    2050: "WalkUpright",
    2051: "CrossStep",
    2054: "AutoRecoverySet",
    2055: "AutoRecoveryGet",
    2058: "SwitchAvoidMode",
}
"""Calls that the service answers; those without an effect here are accepted and change nothing."""

REMOVED_NAMES: dict[int, str] = {
    1011: "SwitchGait",
    1012: "Trigger",
    1013: "BodyHeight",
    1014: "FootRaiseHeight",
    1018: "TrajectoryFollow",
    1019: "ContinuousGait",
    1021: "Wallow",
    1033: "WiggleHips",
    1034: "GetState",
    1035: "EconomicGait",
}
"""Calls of older firmware: answered with NOT_IMPLEMENTED, and logged like the others."""

ALL_NAMES = {**NAMES, **REMOVED_NAMES}

OLD_FIRMWARE_CALLS = frozenset({1021, 1033})
"""Those of them that a dog with the older firmware performs."""
