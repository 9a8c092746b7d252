"""Every skill as a declarative choreography: what the dog is asked to do, step by step.

Units are in the names: radians, seconds, metres a second. Timings are proposals that were tried on
the mock only, never on a real dog. The file is longer than 300 lines because it is one table.

Reading a choreography: `start` is the posture it needs (the driver prepares it, see `preparation`),
`steps` run one after the other, `end` is the posture that the robot's own state must show before
the skill counts as confirmed. Everything that walks or tilts ends with StopMove and BalanceStand.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.robot.interface import DRIVER_TICK_S, Posture

MAX_VX_M_S = 0.4
MAX_VY_M_S = 0.3
MAX_VYAW_RAD_S = 1.6
MAX_EULER_RAD = 0.45
RESEND_HZ = 1.0 / DRIVER_TICK_S
"""Move and Euler die in the robot unless they are sent again at this rate."""

Start = Literal["any", "standing", "risen", "firm", "upright", "lying"]
"""What a skill needs: nothing; standing in balance; anything but sitting; neither sitting nor soft in
the legs; off its belly; lying."""

Until = Literal["acknowledged", "standing", "sitting", "lying", "damped", "still", "performed"]
"""When a call is done: on its reply, in that posture, without motion, or after its own motion."""


class OutOfRange(ValueError):
    """A velocity or an attitude is not finite or beyond what this dog may be asked for."""


def check_velocity(vx_m_s: float, vy_m_s: float, vyaw_rad_s: float) -> None:
    """Raise OutOfRange unless all three are finite and within the clamps (m/s, m/s, rad/s)."""
    limits = (MAX_VX_M_S, MAX_VY_M_S, MAX_VYAW_RAD_S)
    for value, limit in zip((vx_m_s, vy_m_s, vyaw_rad_s), limits, strict=True):
        if not abs(value) <= limit:  # NaN compares false, so it is refused too
            raise OutOfRange(f"velocity {value} is outside ±{limit}")


def check_attitude(roll_rad: float, pitch_rad: float, yaw_rad: float) -> None:
    """Raise OutOfRange unless all three are finite and within ±MAX_EULER_RAD."""
    for value in (roll_rad, pitch_rad, yaw_rad):
        if not abs(value) <= MAX_EULER_RAD:
            raise OutOfRange(f"attitude {value} is outside ±{MAX_EULER_RAD}")


@dataclass(frozen=True)
class Hold:
    """Tilt the torso over standing feet and hold it, sent again at RESEND_HZ."""

    roll_rad: float
    pitch_rad: float
    yaw_rad: float
    seconds: float

    def __post_init__(self) -> None:
        check_attitude(self.roll_rad, self.pitch_rad, self.yaw_rad)


@dataclass(frozen=True)
class Drive:
    """Walk at a velocity in the dog's own frame, sent again at RESEND_HZ."""

    vx_m_s: float
    vy_m_s: float
    vyaw_rad_s: float
    seconds: float

    def __post_init__(self) -> None:
        check_velocity(self.vx_m_s, self.vy_m_s, self.vyaw_rad_s)


@dataclass(frozen=True)
class TurnBy:
    """Turn until the robot's own heading has changed by `angle_rad` (left is positive)."""

    angle_rad: float
    speed_rad_s: float
    timeout_s: float

    def __post_init__(self) -> None:
        check_velocity(0.0, 0.0, self.speed_rad_s)


@dataclass(frozen=True)
class Wait:
    """Let time pass while whatever was asked for goes on."""

    seconds: float


@dataclass(frozen=True)
class Call:
    """One call of the SDK's SportClient by its method's name.

    `flag` is its argument where it has one. `timeout_s` bounds the wait for `until`.
    `if_unsupported` is what happens where the firmware answers 3203: None fails the skill, an empty
    tuple leaves the call out, steps are done in its place.
    """

    name: str
    api_id: int
    until: Until = "acknowledged"
    timeout_s: float = 5.0
    flag: bool | None = None
    if_unsupported: "tuple[Step, ...] | None" = None


Step = Call | Hold | Drive | TurnBy | Wait


@dataclass(frozen=True)
class Choreography:
    """A skill's whole movement; `duration_s` is what it is expected to take from standing.

    `from_fall` is whether it may go on while the dog lies on its side.
    """

    skill: str
    start: Start
    end: Posture | None
    duration_s: float
    steps: tuple[Step, ...]
    space_m: float = 0.0
    from_fall: bool = False


# --- single calls -------------------------------------------------------------------------------

DAMP = Call("Damp", 1001, until="damped")
BALANCE_STAND = Call("BalanceStand", 1002, until="standing")
STOP_MOVE = Call("StopMove", 1003, until="still")
STAND_UP = Call("StandUp", 1004, until="standing")
STAND_DOWN = Call("StandDown", 1005, until="lying")
RECOVERY_STAND = Call("RecoveryStand", 1006, until="standing", timeout_s=10.0)
SIT = Call("Sit", 1009, until="sitting")
RISE_SIT = Call("RiseSit", 1010, until="standing")
POSE_ON = Call("Pose", 1028, flag=True, if_unsupported=())
POSE_OFF = Call("Pose", 1028, flag=False, if_unsupported=())

_BOW = (Hold(0.0, 0.3, 0.0, 1.2), Hold(0.0, 0.0, 0.0, 0.4))
_PAW_WAVE = (Hold(0.15, -0.15, 0.2, 0.5), Hold(-0.15, -0.15, -0.2, 0.5)) * 2

HELLO = Call("Hello", 1016, until="performed", timeout_s=12.0, if_unsupported=_PAW_WAVE)
STRETCH = Call("Stretch", 1017, until="performed", timeout_s=12.0, if_unsupported=_BOW)
CONTENT = Call("Content", 1020, until="performed", timeout_s=12.0, if_unsupported=())
SCRAPE = Call("Scrape", 1029, until="performed", timeout_s=12.0, if_unsupported=_BOW * 2)
HEART = Call("Heart", 1036, until="performed", timeout_s=12.0)
HEART_IF_ANY = Call("Heart", 1036, until="performed", timeout_s=12.0, if_unsupported=())
DANCE_2 = Call("Dance2", 1023, until="performed", timeout_s=40.0)
DANCE_1 = Call("Dance1", 1022, until="performed", timeout_s=40.0, if_unsupported=(DANCE_2,))
DANCE_2_IF_ANY = Call("Dance2", 1023, until="performed", timeout_s=40.0, if_unsupported=())
FRONT_FLIP = Call("FrontFlip", 1030, until="performed", timeout_s=8.0)
FRONT_JUMP = Call("FrontJump", 1031, until="performed", timeout_s=8.0)
FRONT_POUNCE = Call("FrontPounce", 1032, until="performed", timeout_s=8.0)

_SETTLE: tuple[Step, ...] = (STOP_MOVE, BALANCE_STAND)


def _roll(angle_rad: float, seconds: float) -> Hold:
    return Hold(angle_rad, 0.0, 0.0, seconds)


def _pitch(angle_rad: float, seconds: float) -> Hold:
    return Hold(0.0, angle_rad, 0.0, seconds)


def _yaw(angle_rad: float, seconds: float) -> Hold:
    return Hold(0.0, 0.0, angle_rad, seconds)


def _walk(seconds: float, vx: float = 0.0, vy: float = 0.0, vyaw: float = 0.0) -> Drive:
    return Drive(vx, vy, vyaw, seconds)


_LEVEL = Hold(0.0, 0.0, 0.0, 0.4)

# --- routines, proposals of this project ----------------------------------------------------------------

_ROLL_TORSO: tuple[Step, ...] = (
    # newer firmware lacks Wallow: a roll of the torso stands for it and nothing leaves the ground
    *(_roll(0.4, 0.45), _roll(-0.4, 0.45)) * 4,
    _pitch(0.2, 0.4),
    _pitch(-0.2, 0.4),
    _LEVEL,
    CONTENT,
)
_TWIST_TORSO: tuple[Step, ...] = (
    # newer firmware lacks WiggleHips: 1.5 Hz for 3 s
    *(Hold(0.15, 0.0, 0.3, 1 / 3), Hold(-0.15, 0.0, -0.3, 1 / 3)) * 4,
    Hold(0.15, 0.0, 0.3, 1 / 3),
    _LEVEL,
)
WALLOW = Call("Wallow", 1021, until="performed", timeout_s=20.0, if_unsupported=_ROLL_TORSO)
WIGGLE_HIPS = Call(
    "WiggleHips", 1033, until="performed", timeout_s=12.0, if_unsupported=_TWIST_TORSO
)
_BALANCE_ATTITUDE: tuple[Step, ...] = (
    *(_roll(0.3, 0.7), _roll(-0.3, 0.7)),
    *(_pitch(0.25, 0.7), _pitch(-0.25, 0.7)),
    *(_yaw(0.3, 0.7), _yaw(-0.3, 0.7)),
    _LEVEL,
)
_SHAKE_BODY: tuple[Step, ...] = (
    *(_roll(0.3, 0.25), _roll(-0.3, 0.25)) * 6,  # 2 Hz for 3 s
    _LEVEL,
)
_KUNG_FU: tuple[Step, ...] = (
    STRETCH,
    *(_yaw(0.3, 0.25), _yaw(-0.3, 0.25)) * 3,
    _LEVEL,
    SCRAPE,
    POSE_ON,
    Wait(1.0),
    POSE_OFF,
)
_BIRTHDAY: tuple[Step, ...] = (
    HELLO,
    *(_pitch(0.2, 0.35), _pitch(-0.1, 0.35)) * 3,
    _LEVEL,
    DANCE_1,
    HEART_IF_ANY,
)
_NEW_YEAR: tuple[Step, ...] = (SCRAPE, SCRAPE, HEART_IF_ANY, HELLO)
_CHEER: tuple[Step, ...] = (
    *(_roll(0.25, 0.25), _roll(-0.25, 0.25)) * 2,
    *(_walk(0.5, vy=0.2), _walk(0.5, vy=-0.2)),
    *_SETTLE,  # tilts are obeyed in balance only, not while walking
)
_LION: tuple[Step, ...] = (
    *(_pitch(0.3, 0.4), _pitch(-0.3, 0.4)) * 3,
    _LEVEL,
    _walk(1.0, vx=0.2),
    *(_walk(0.6, vyaw=0.8), _walk(0.6, vyaw=-0.8)) * 2,
    STOP_MOVE,
    STRETCH,
    SCRAPE,
)
_TURN_30_RAD = math.radians(30.0)
_WELCOME: tuple[Step, ...] = (
    HELLO,
    _pitch(0.3, 1.0),
    _LEVEL,
    TurnBy(_TURN_30_RAD, 0.8, 4.0),
    TurnBy(-_TURN_30_RAD, 0.8, 4.0),
)
_WALTZ: tuple[Step, ...] = (
    *(_walk(0.6, vx=0.25), _walk(0.6, vy=0.2), _walk(0.6, vyaw=0.8)),
    *(_walk(0.6, vx=-0.25), _walk(0.6, vy=-0.2), _walk(0.6, vyaw=-0.8)),
)
_CHA_CHA: tuple[Step, ...] = (
    *(_walk(0.5, vy=0.25), _walk(0.5, vy=0.25)),
    *(_walk(0.25, vy=-0.25), _walk(0.25, vy=0.25), _walk(0.25, vy=-0.25)),
    *(_walk(0.5, vy=-0.25), _walk(0.5, vy=-0.25)),
    *(_walk(0.25, vy=0.25), _walk(0.25, vy=-0.25), _walk(0.25, vy=0.25)),
)
_TANGO: tuple[Step, ...] = (
    *(_walk(0.8, vx=0.2), _walk(0.8, vx=-0.2)),  # slow, slow
    *(_walk(0.4, vx=0.35), _walk(0.4, vx=-0.35)),  # quick, quick
    _walk(0.8, vyaw=1.0),
    *_SETTLE,
    _pitch(-0.25, 0.8),
    _LEVEL,
)
_HIP_HOP: tuple[Step, ...] = (
    *(_pitch(0.2, 0.25), _pitch(-0.1, 0.25)) * 4,  # 2 Hz
    _LEVEL,
    *(_walk(0.4, vyaw=1.0), _walk(0.4, vyaw=-1.0)) * 4,
    STOP_MOVE,
    DANCE_2_IF_ANY,
)
_BARK: tuple[Step, ...] = (
    # the sound is the agent's: only an unofficial service of the dog can play one
    *(_pitch(-0.2, 0.3), _pitch(0.0, 0.3)) * 2,
)


def _routine(skill: str, duration_s: float, space_m: float, steps: Sequence[Step]) -> Choreography:
    return Choreography(
        skill, "standing", "standing", duration_s, (*steps, *_SETTLE), space_m=space_m
    )


def _trick(skill: str, duration_s: float, call: Call, space_m: float = 0.0) -> Choreography:
    return Choreography(skill, "standing", "standing", duration_s, (call,), space_m=space_m)


_QUARTER_RAD = math.pi / 2

_ALL: tuple[Choreography, ...] = (
    # safety and postures
    Choreography("Damp", "lying", "damped", 1.0, (DAMP,), from_fall=True),
    Choreography("StopMove", "any", None, 0.5, (STOP_MOVE,), from_fall=True),
    Choreography("BalanceStand", "standing", "standing", 1.0, (BALANCE_STAND,)),
    Choreography("StandUp", "risen", "standing", 2.5, (STAND_UP, BALANCE_STAND)),
    Choreography("StandDown", "firm", "lying", 2.5, (STOP_MOVE, STAND_DOWN)),
    Choreography("RecoveryStand", "any", "standing", 3.0, (RECOVERY_STAND,), from_fall=True),
    Choreography("Sit", "standing", "sitting", 2.0, (SIT,)),
    # a sitting dog rises; one that already stands is asked as well, which changes nothing
    Choreography("RiseSit", "upright", "standing", 2.0, (RISE_SIT, BALANCE_STAND)),
    # the firmware's own tricks
    _trick("Stretch", 4.0, STRETCH),
    _trick("Scrape", 4.0, SCRAPE),
    _trick("SayHello", 4.0, HELLO),
    _trick("DrawHeart", 4.0, HEART),
    _trick("Dance", 10.0, DANCE_1, space_m=2.0),
    _trick("FrontFlip", 3.0, FRONT_FLIP, space_m=2.0),
    _trick("FrontJump", 3.0, FRONT_JUMP, space_m=2.0),
    _trick("FrontPounce", 3.0, FRONT_POUNCE, space_m=2.0),
    # turns, closed on the robot's own heading
    _routine("TurnLeft", 3.0, 1.0, (TurnBy(_QUARTER_RAD, 0.8, 4.0),)),
    _routine("TurnRight", 3.0, 1.0, (TurnBy(-_QUARTER_RAD, 0.8, 4.0),)),
    _routine("TurnAround", 6.0, 1.0, (TurnBy(2 * math.pi, 1.57, 8.0),)),
    # routines
    _routine("Wallow", 8.0, 0.0, (WALLOW,)),
    _routine("WiggleHips", 4.5, 0.0, (WIGGLE_HIPS,)),
    _routine("BalanceAttitude", 5.5, 0.0, _BALANCE_ATTITUDE),
    _routine("ShakeBody", 4.5, 0.0, _SHAKE_BODY),
    _routine("PlayKungFu", 11.0, 2.0, _KUNG_FU),
    _routine("HappyBirthday", 18.0, 2.0, _BIRTHDAY),
    _routine("HappyNewYear", 13.0, 0.0, _NEW_YEAR),
    _routine("CheerLeading", 9.0, 2.0, (*_CHEER * 2, HELLO)),
    _routine("LionDance", 14.0, 2.0, _LION),
    _routine("Welcome", 9.0, 2.0, _WELCOME),
    _routine("WaltzDance", 12.0, 2.0, _WALTZ * 3),
    _routine("ChaChaDance", 12.0, 2.0, _CHA_CHA * 3),
    _routine("Tango", 11.0, 2.0, _TANGO * 2),
    _routine("HipHopDance", 13.0, 2.0, _HIP_HOP),
    _routine("Bark", 2.5, 0.0, _BARK),
)

CHOREOGRAPHIES: dict[str, Choreography] = {each.skill: each for each in _ALL}
"""The 34 skills' choreographies by the skill's name."""


def preparation(start: Start, posture: Posture, balanced: bool) -> tuple[Call, ...]:
    """Return the calls that bring a dog from `posture` to what `start` asks for.

    `balanced` is whether it already stands in balance: after StandUp the legs are locked and the
    firmware accepts Move and Euler without obeying them. A fallen dog and one whose posture is
    unknown are left as they are; the gate does not let such a skill through.
    """
    if posture in ("unknown", "fallen") and start != "lying":
        return ()
    if start == "standing":
        if posture == "standing":
            return () if balanced else (BALANCE_STAND,)
        return (RISE_SIT if posture == "sitting" else STAND_UP, BALANCE_STAND)
    if start in ("risen", "firm") and posture == "sitting":
        return (RISE_SIT,)
    if start == "firm" and posture == "damped":
        return (STAND_UP,)
    if start == "upright" and posture in ("lying", "damped"):
        return (STAND_UP,)
    if start == "lying" and posture in ("standing", "unknown"):
        return (STAND_DOWN,)
    if start == "lying" and posture == "sitting":
        return (RISE_SIT, STAND_DOWN)
    return ()
