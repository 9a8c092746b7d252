"""The SDK's SportClient behind threads: every call off the event loop, stops on a line of their own.

One client works through one single-thread executor, because several threads on one client lose
calls. StopMove and Damp have a second client and executor, so that they wait for nothing.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edge_agent.robot.choreography import Call as CallStep
from edge_agent.robot.choreography import check_attitude, check_velocity
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

    Milliseconds count from `started_at` on the clock of `time.monotonic`.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._calls: list[Call] = []

    def add(self, name: str, api_id: int, parameter: dict[str, Any], code: int | None) -> None:
        """Add a call that has just been answered, or sent where there is no answer."""
        if self._calls and name in ("Move", "Euler"):
            last = self._calls[-1]
            if (last.api_id, last.parameter, last.code) == (api_id, parameter, code):
                return
        at_ms = round(1000 * (time.monotonic() - self._started_at), 1)
        self._calls.append(
            Call(api_id=api_id, name=name, parameter=parameter, code=code, at_ms=at_ms)
        )

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls so far, in order."""
        return tuple(self._calls)


class SportService:
    """The dog's sport service; opened once, then called from the event loop."""

    def __init__(self) -> None:
        self._client: Any = None
        self._urgent_client: Any = None
        self._line = ThreadPoolExecutor(1, thread_name_prefix="sport")
        self._urgent_line = ThreadPoolExecutor(1, thread_name_prefix="sport-urgent")
        self._halting = threading.Lock()

    async def open(self) -> None:
        """Make both clients, about a second; the process has joined its DDS domain."""
        if self._client is not None:
            return
        loop = asyncio.get_running_loop()
        self._client, self._urgent_client = await asyncio.gather(
            loop.run_in_executor(self._line, _make_client, CALL_TIMEOUT_S),
            loop.run_in_executor(self._urgent_line, _make_client, STOP_TIMEOUT_S),
        )

    @property
    def opened(self) -> bool:
        """Whether calls can be made."""
        return self._urgent_client is not None

    def close(self) -> None:
        """Let go of the threads; a call under way ends by its own time-out."""
        self._line.shutdown(wait=False, cancel_futures=True)
        self._urgent_line.shutdown(wait=False, cancel_futures=True)

    async def call(self, step: CallStep, log: CallLog) -> int:
        """Make one ordinary call and return its code."""
        arguments = () if step.flag is None else (step.flag,)
        parameter = {} if step.flag is None else {"data": step.flag}
        code = await self._send(self._client, self._line, step.name, *arguments)
        log.add(step.name, step.api_id, parameter, code)
        return code

    async def move(self, vx_m_s: float, vy_m_s: float, vyaw_rad_s: float, log: CallLog) -> int:
        """Send one Move, which has no reply: 0 says sent. OutOfRange beyond the clamps or NaN."""
        check_velocity(vx_m_s, vy_m_s, vyaw_rad_s)
        name, api_id = MOVE
        code = await self._send(self._client, self._line, name, vx_m_s, vy_m_s, vyaw_rad_s)
        parameter = {"x": vx_m_s, "y": vy_m_s, "z": vyaw_rad_s}
        log.add(name, api_id, parameter, code or None)
        return code

    async def euler(self, roll_rad: float, pitch_rad: float, yaw_rad: float, log: CallLog) -> int:
        """Send one Euler and return its code. OutOfRange beyond the clamps or NaN."""
        check_attitude(roll_rad, pitch_rad, yaw_rad)
        name, api_id = EULER
        code = await self._send(self._client, self._line, name, roll_rad, pitch_rad, yaw_rad)
        log.add(name, api_id, {"x": roll_rad, "y": pitch_rad, "z": yaw_rad}, code)
        return code

    async def urgent(self, call: tuple[str, int], log: CallLog) -> int:
        """Make STOP_MOVE or DAMP at once, past everything that waits, and return its code."""
        name, api_id = call
        code = await self._send(self._urgent_client, self._urgent_line, name)
        log.add(name, api_id, {}, code)
        return code

    def halt(self) -> None:
        """Send a StopMove past everything that waits, from any thread; its code is not awaited."""
        # At most one waits in line, so that a robot that does not answer gathers no queue.
        if self._urgent_client is None or not self._halting.acquire(blocking=False):
            return
        try:
            future = self._urgent_line.submit(self._urgent_client.StopMove)
        except RuntimeError:  # closed meanwhile, and stopped before that
            self._halting.release()
        else:
            future.add_done_callback(lambda _: self._halting.release())

    async def _send(
        self, client: Any, line: ThreadPoolExecutor, name: str, *arguments: float | bool
    ) -> int:
        method: Callable[..., int] = getattr(client, name)
        return await asyncio.get_running_loop().run_in_executor(line, method, *arguments)


def _make_client(timeout_s: float) -> Any:
    from unitree_sdk2py.go2.sport.sport_client import SportClient

    client = SportClient()
    client.SetTimeout(timeout_s)
    client.Init()
    return client
