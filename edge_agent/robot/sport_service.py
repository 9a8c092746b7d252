"""What the driver asks of the sport service: checked, logged, and stopped past everything else.

Ordinary calls share one line; StopMove and Damp have one each, so that they wait for nothing. A call
that waits there and has not begun stands for all who ask for it, so that no queue grows.
A call that the firmware does not know (3203) is remembered until the robot begins a new session.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from edge_agent.robot.choreography import Call as CallStep
from edge_agent.robot.choreography import check_attitude, check_velocity
from edge_agent.robot.sport_line import Line, SdkLine
from shared.outcome import Call

CALL_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 0.5

STOP_MOVE = ("StopMove", 1003)
DAMP = ("Damp", 1001)
EULER = ("Euler", 1007)
MOVE = ("Move", 1008)

CODE_OK = 0
CODE_SEND_FAILED = 3102
CODE_TIMED_OUT = 3104
CODE_NOT_IMPLEMENTED = 3203


def failure_reason(code: int) -> str:
    """Return the stable reason for a call's non-zero code."""
    if code == CODE_NOT_IMPLEMENTED:
        return "unsupported_by_firmware"
    if code in (CODE_SEND_FAILED, CODE_TIMED_OUT):
        return "robot_unavailable"
    return f"call_rejected_{code}"


class CallLog:
    """The calls of one action as they are sent; a Move or Euler sent again is told once.

    Milliseconds count from the log's making, on `clock`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_at = clock()
        self._calls: list[Call] = []

    def add(self, name: str, api_id: int, parameter: dict[str, Any], code: int | None) -> None:
        """Add a call that has just been answered, or sent where there is no answer."""
        if self._calls and name in ("Move", "Euler"):
            last = self._calls[-1]
            if (last.api_id, last.parameter, last.code) == (api_id, parameter, code):
                return
        at_ms = round(1000 * (self._clock() - self._started_at), 1)
        self._calls.append(
            Call(api_id=api_id, name=name, parameter=parameter, code=code, at_ms=at_ms)
        )

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls so far, in order."""
        return tuple(self._calls)


class SportService:
    """The dog's sport service; opened once, then called from the event loop.

    `line`, `stopping` and `damping` are three ways to it, by default over the SDK; Damp goes over a
    `stopping` that was given alone.
    """

    def __init__(
        self,
        line: Line | None = None,
        stopping: Line | None = None,
        damping: Line | None = None,
    ) -> None:
        self._line = line or SdkLine("sport", CALL_TIMEOUT_S)
        damping = damping or stopping or SdkLine("sport-damp", STOP_TIMEOUT_S)
        stopping = stopping or SdkLine("sport-stop", STOP_TIMEOUT_S)
        self._urgent: Mapping[str, Line] = {STOP_MOVE[0]: stopping, DAMP[0]: damping}
        self._queued: dict[str, Future[int]] = {}
        self._asking = threading.Lock()
        self._unsupported: set[int] = set()

    async def open(self) -> None:
        """Make the lines ready, about a second; the process has joined its DDS domain."""
        await asyncio.gather(self._line.open(), *(each.open() for each in self._urgent.values()))

    @property
    def opened(self) -> bool:
        """Whether calls can be made."""
        return self._line.opened and all(each.opened for each in self._urgent.values())

    def close(self) -> None:
        """Let go of the lines; a call under way ends by its own time-out."""
        self._line.close()
        for each in self._urgent.values():
            each.close()

    def forget_unsupported(self) -> None:
        """Ask anew for every call: the robot has restarted, maybe with another firmware."""
        self._unsupported.clear()

    async def is_there(self) -> bool:
        """Whether somebody serves the sport service, asked without moving anything.

        A service that is there and does not answer in time counts: it may only be busy.
        """
        return await self._line.ask_version() != CODE_SEND_FAILED

    async def call(self, step: CallStep, log: CallLog) -> int:
        """Make one ordinary call and return its code; one known as unsupported is not sent."""
        if step.api_id in self._unsupported:
            return CODE_NOT_IMPLEMENTED
        parameter = {} if step.flag is None else {"data": step.flag}
        code = await self._line.send(step.name, parameter)
        if code == CODE_NOT_IMPLEMENTED:
            self._unsupported.add(step.api_id)
        log.add(step.name, step.api_id, parameter, code)
        return code

    async def move(self, vx_m_s: float, vy_m_s: float, vyaw_rad_s: float, log: CallLog) -> int:
        """Send one Move, which has no reply: 0 says sent. OutOfRange beyond the clamps or NaN."""
        check_velocity(vx_m_s, vy_m_s, vyaw_rad_s)
        name, api_id = MOVE
        parameter = {"x": vx_m_s, "y": vy_m_s, "z": vyaw_rad_s}
        code = await self._line.send(name, parameter)
        log.add(name, api_id, parameter, code or None)
        return code

    async def euler(self, roll_rad: float, pitch_rad: float, yaw_rad: float, log: CallLog) -> int:
        """Send one Euler and return its code. OutOfRange beyond the clamps or NaN."""
        check_attitude(roll_rad, pitch_rad, yaw_rad)
        name, api_id = EULER
        parameter = {"x": roll_rad, "y": pitch_rad, "z": yaw_rad}
        code = await self._line.send(name, parameter)
        log.add(name, api_id, parameter, code)
        return code

    async def urgent(self, call: tuple[str, int], log: CallLog) -> int:
        """Make STOP_MOVE or DAMP at once, past everything that waits, and return its code.

        It goes out even where whoever asked is cancelled meanwhile. A StopMove that has not begun gives way
        to a Damp, whose code is returned then.
        """
        name, api_id = call
        asked = self._ask(name)
        try:
            code = await asyncio.shield(asyncio.wrap_future(asked))
        except asyncio.CancelledError:
            if not asked.cancelled():
                raise
            return await asyncio.shield(asyncio.wrap_future(self._queued[DAMP[0]]))
        log.add(name, api_id, {}, code)
        return code

    def halt(self) -> None:
        """Send a StopMove past everything that waits, from any thread; its code is not awaited."""
        if self._urgent[STOP_MOVE[0]].opened:
            with contextlib.suppress(RuntimeError):  # closed meanwhile, and stopped before that
                self._ask(STOP_MOVE[0])

    def _ask(self, name: str) -> "Future[int]":
        """Return the call that waits already and has not begun, else a new one.

        A Damp withdraws the StopMove that waits: none is to reach a dog that has gone soft.
        """
        with self._asking:
            if name == DAMP[0] and STOP_MOVE[0] in self._queued:
                self._queued[STOP_MOVE[0]].cancel()
            queued = self._queued.get(name)
            if queued is None or queued.running() or queued.done():
                queued = self._queued[name] = self._urgent[name].submit(name)
            return queued
