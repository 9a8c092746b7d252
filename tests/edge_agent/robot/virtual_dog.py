"""The driver and the mock dog in one process and in virtual time: exact, and faster than the clock.

The event loop's time stands still while anything runs and jumps to the next timer when nothing
does, so minutes of choreography pass in a moment and no test depends on the machine's speed.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from edge_agent.mock_robot.dog import MockDog
from edge_agent.mock_robot.sport_api import ALL_NAMES, Posture
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action, Progress, RobotState
from edge_agent.robot.sport_service import (
    CALL_TIMEOUT_S,
    CODE_TIMED_OUT,
    MOVE,
    STOP_TIMEOUT_S,
    SportService,
)
from edge_agent.robot.state_monitor import StateMonitor
from edge_agent.robot.state_tracker import SportSample
from shared.outcome import Execution
from tests.edge_agent.virtual_time import VirtualLoop

Result = TypeVar("Result")
_IDS = {name: api_id for api_id, name in ALL_NAMES.items()}
LOST_S = 600.0


class DirectLine:
    """A line straight to the mock, with the SDK's time-outs and none of its network."""

    opened = True

    def __init__(self, dog: MockDog, timeout_s: float) -> None:
        self._dog = dog
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def open(self) -> None: ...

    async def ask_version(self) -> int:
        return CODE_TIMED_OUT if self._dog.tell_version("1.0.0.1") is None else 0

    async def send(self, name: str, parameter: Mapping[str, float | bool]) -> int:
        return await self._send(name, parameter, lambda: True)

    async def _send(
        self, name: str, parameter: Mapping[str, float | bool], begin: Callable[[], bool]
    ) -> int:
        async with self._turn:
            if not begin():  # withdrawn meanwhile
                return CODE_TIMED_OUT
            delay_s = self._dog.delay_s()
            loop = asyncio.get_running_loop()
            taken: asyncio.Future[tuple[int, str] | None] = loop.create_future()

            def take() -> None:
                taken.set_result(self._dog.take("sport", _IDS[name], json.dumps(dict(parameter))))

            if delay_s:
                loop.call_later(delay_s, take)
            else:
                take()
            if name == MOVE[0]:  # it has no reply
                return 0
            gives_up_at = loop.time() + self._timeout_s
            await asyncio.wait({taken}, timeout=self._timeout_s)
            reply = taken.result() if taken.done() else None
            if reply is None:
                await asyncio.sleep(max(0.0, gives_up_at - loop.time()))
                return CODE_TIMED_OUT
            return reply[0]

    def submit(self, name: str) -> "Future[int]":
        future: Future[int] = Future()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another thread's, which the mock takes at once
            reply = self._dog.take("sport", _IDS[name], "{}")
            future.set_result(reply[0] if reply else CODE_TIMED_OUT)
            return future
        task = loop.create_task(self._send(name, {}, future.set_running_or_notify_cancel))

        def settle(done: "asyncio.Task[int]") -> None:
            if not future.cancelled():
                future.set_result(done.result())

        task.add_done_callback(settle)
        return future

    def close(self) -> None: ...


class DirectMonitor(StateMonitor):
    """Asks the mock for its message whenever the driver asks for the state."""

    def __init__(self, dog: MockDog, clock: Any) -> None:
        super().__init__(0, clock)
        self._dog = dog

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def state(self) -> RobotState:
        told = self._dog.told()
        now = self._clock()
        if told.sport is not None:
            state = told.sport
            self.tracker.take_sport(
                SportSample(
                    mode=state.mode,
                    error_code=0,
                    progress=state.progress,
                    position_m=state.position_m,
                    velocity_m_s=state.velocity_m_s,
                    yaw_speed_rad_s=state.yaw_speed_rad_s,
                    rpy_rad=state.rpy_rad,
                    gyroscope_rad_s=state.gyroscope_rad_s,
                    body_height_m=state.body_height_m,
                    received_at=now,
                    stamp_s=state.time_s,
                )
            )
        if told.low is not None:
            self.tracker.take_low(told.low.battery_percent, told.low.motor_temperature_c, now)
        return super().state()


class VirtualDog:
    """A driver with a mock of its own, on a virtual loop."""

    ids = _IDS

    def __init__(self, posture: Posture = "standing", loop: VirtualLoop | None = None) -> None:
        self.loop = loop or VirtualLoop()
        self.mock = MockDog(posture=posture, clock=self.loop.time)
        self.told: list[str] = []
        self._number = 0
        self.robot = self.do(self._connect())

    async def _connect(self) -> Go2Robot:
        timeouts_s = (CALL_TIMEOUT_S, STOP_TIMEOUT_S, STOP_TIMEOUT_S)
        service = SportService(*(DirectLine(self.mock, each) for each in timeouts_s))
        monitor = DirectMonitor(self.mock, self.loop.time)
        robot = Go2Robot(0, "lo", clock=self.loop.time, service=service, monitor=monitor)
        robot.state()  # as `start`, which awaits the first message
        return robot

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end, at most LOST_S virtual seconds."""
        result: Result = self.loop.do(work, LOST_S)
        return result

    def rest(self, seconds: float) -> None:
        """Let time pass, the state read as the driver's thread reads it."""

        async def look() -> None:
            until = self.loop.time() + seconds
            while self.loop.time() < until:
                self.robot.state()
                await asyncio.sleep(0.02)

        self.do(look())

    async def perform(self, skill: str, **changes: Any) -> Execution:
        self._number += 1
        self.told = []
        values = {"key": f"{skill}-{self._number}", "expires_at": self.loop.time() + LOST_S}
        action = Action(skill, **{**values, **changes})
        return await self.robot.perform(action, self._tell)

    def _tell(self, progress: Progress) -> None:
        self.told.append(progress.state)

    def names(self) -> list[str]:
        """The names of the mock's sport calls, a repeated one told once."""
        names: list[str] = []
        for call in self.mock.calls():
            if not names or names[-1] != call.name:
                names.append(call.name)
        return names

    def fault(self, name: str, on: bool = True, **parameters: Any) -> None:
        self.mock.faults.command({"fault": name, "on": on, **parameters})

    def close(self) -> None:
        self.loop.close()
