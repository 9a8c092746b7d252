"""Move and Euler, sent again and again: readiness before them, the state's proof while they last.

The robot forgets a velocity or an attitude after about a second, so both are sent anew at every
driver tick; whoever stops sending has stopped the dog. It acknowledges them even where it ignores
them, as for some seconds after StandUp, so nothing counts until its state shows motion.
"""

import math
from collections.abc import Awaitable, Callable

from edge_agent.robot.action_watch import ActionWatch, failed
from edge_agent.robot.choreography import BALANCE_STAND, Drive, Hold, TurnBy
from edge_agent.robot.interface import DRIVER_TICK_S
from edge_agent.robot.sport_service import CODE_OK, CallLog, SportService, failure_reason

READY_S = 12.0
"""A dog that ignores Move after StandUp does so for 4 to 10 seconds."""
ASK_AGAIN_S = 2.0
RESPONSE_S = 0.5
STALLED_S = 1.0
OVER_S = 1e-3
TURN_GAIN_PER_S = 3.0
TURN_MIN_SPEED_RAD_S = 0.3
TURN_CLOSE_RAD = 0.03
TURN_TOLERANCE_RAD = math.radians(15.0)
MISSED_MARGIN = 1.5
LEVEL = Hold(0.0, 0.0, 0.0, 0.4)
LEVEL_TIMEOUT_S = 2.0

Vector = tuple[float, float, float]


class Motion:
    """The walking, turning and tilting of one action.

    The heading that its steps ask for adds up from the dog's own before the first of them, as in
    the path that was checked: each turn ends there, whatever the steps before it have missed.
    """

    def __init__(self, service: SportService, watch: ActionWatch, log: CallLog) -> None:
        self._service = service
        self._watch = watch
        self._log = log
        self._obeyed: set[str] = set()
        self._heading_rad: float | None = None
        self._turned = False
        self._twisted = False
        self._walked_at = self._moved_at = -math.inf

    async def hold(self, step: Hold) -> None:
        """Tilt the torso for the step's time."""
        angles = (step.roll_rad, step.pitch_rad, step.yaw_rad)
        still_twisted = self._twisted and step.seconds < LEVEL.seconds
        self._twisted = step.yaw_rad != 0.0 or still_twisted
        ends_at = self._watch.clock() + step.seconds
        if any(angles):
            ends_at = await self._begin("Euler", lambda: self._euler(angles), step.seconds)
        while (left_s := ends_at - self._watch.clock()) > OVER_S:
            await self._euler(angles)
            await self._watch.pause(min(left_s, DRIVER_TICK_S))

    async def drive(self, step: Drive) -> None:
        """Walk for the step's time; a dog that stops walking meanwhile ends the action."""
        velocity = (step.vx_m_s, step.vy_m_s, step.vyaw_rad_s)
        await self._ask_heading(step.vyaw_rad_s * step.seconds)
        if step.vyaw_rad_s:
            self._turned = False  # it rotates by time, which no state confirms
        ends_at = await self._begin("Move", lambda: self._move(velocity), step.seconds)
        while (left_s := ends_at - self._watch.clock()) > OVER_S:
            await self._move(velocity)
            await self._watch.pause(min(left_s, DRIVER_TICK_S))
            self._check_stall()

    async def turn(self, step: TurnBy) -> None:
        """Turn until the robot's own heading is the one that the steps so far ask for."""
        goal_rad = await self._ask_heading(step.angle_rad)
        self._turned = True
        side = math.copysign(1.0, goal_rad - self._watch.fresh_state().yaw_total_rad)
        await self._begin("Move", lambda: self._move((0.0, 0.0, side * step.speed_rad_s)), 0.0)
        way_rad = abs(goal_rad - self._watch.fresh_state().yaw_total_rad)
        longer_rad = max(0.0, way_rad - abs(step.angle_rad))  # what steps before have missed
        allowed_s = step.timeout_s + MISSED_MARGIN * longer_rad / step.speed_rad_s
        gives_up_at = self._watch.clock() + allowed_s
        while True:
            left_rad = side * (goal_rad - self._watch.fresh_state().yaw_total_rad)
            if left_rad <= TURN_CLOSE_RAD:
                return
            if self._watch.clock() > gives_up_at:
                raise failed("not_confirmed")
            speed = min(step.speed_rad_s, max(TURN_MIN_SPEED_RAD_S, TURN_GAIN_PER_S * left_rad))
            await self._move((0.0, 0.0, side * round(speed, 2)))
            await self._watch.pause(DRIVER_TICK_S)
            self._check_stall()

    def confirm(self) -> None:
        """Raise unless the dog's heading is still where the last turn brought it."""
        if self._turned and abs(self._missed_rad()) > TURN_TOLERANCE_RAD:
            raise failed("not_confirmed")

    async def _ask_heading(self, by_rad: float) -> float:
        """Add a step's angle to the heading asked for, and return that.

        A torso that is twisted against its feet tells a wrong heading: it is levelled first.
        """
        if self._twisted:
            await self.hold(LEVEL)
            await self._watch.hold_true(lambda state: not state.moving, LEVEL_TIMEOUT_S)
        now_rad = self._watch.fresh_state().yaw_total_rad
        self._heading_rad = now_rad + self._missed_rad() + by_rad
        return self._heading_rad

    def _missed_rad(self) -> float:
        """Return the angle to the heading asked for; whole turns, which a leap may tell, are none."""
        if self._heading_rad is None:
            return 0.0
        now_rad = self._watch.fresh_state().yaw_total_rad
        return math.remainder(self._heading_rad - now_rad, 2 * math.pi)

    async def _begin(self, kind: str, send: Callable[[], Awaitable[None]], seconds: float) -> float:
        """Send until the dog obeys, asking for balance again meanwhile; return when `seconds` end.

        A dog that is ready answers within RESPONSE_S and loses nothing of the step's time.
        """
        started_at = self._watch.clock()
        balance_at = started_at + ASK_AGAIN_S
        while kind not in self._obeyed:
            now = self._watch.clock()
            if now - started_at > READY_S:
                raise failed("not_confirmed")
            if now > balance_at:
                await self._balance()
                balance_at = self._watch.clock() + ASK_AGAIN_S
            await send()
            await self._watch.pause(DRIVER_TICK_S)
            if self._watch.fresh_state().moving:
                self._obeyed.add(kind)
        obeyed_at = self._watch.clock()
        late = obeyed_at - started_at > RESPONSE_S
        return (obeyed_at if late else started_at) + seconds

    def _check_stall(self) -> None:
        """Raise where the dog has walked without moving for too long, over several steps too."""
        now = self._watch.clock()
        walks_on = now - self._walked_at <= RESPONSE_S
        self._walked_at = now
        if self._watch.fresh_state().moving or not walks_on:
            self._moved_at = now
        elif now - self._moved_at > STALLED_S:
            raise failed("not_confirmed")

    async def _move(self, velocity: Vector) -> None:
        self._check(await self._watch.send(self._service.move(*velocity, self._log)))

    async def _euler(self, angles: Vector) -> None:
        self._check(await self._watch.send(self._service.euler(*angles, self._log)))
        self._watch.advance("accepted")  # unlike Move it is answered

    async def _balance(self) -> None:
        self._check(await self._watch.send(self._service.call(BALANCE_STAND, self._log)))
        self._watch.advance("accepted")

    def _check(self, code: int) -> None:
        if code != CODE_OK:
            raise failed(failure_reason(code))
