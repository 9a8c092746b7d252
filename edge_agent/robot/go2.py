"""Go2Robot: the Robot protocol over the unmodified SDK, for a real Go2 and for the mock alike."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.dds_domain import (
    LOOPBACK,
    check_place,
    check_version_for_real_robot,
    join_domain,
)
from edge_agent.robot.interface import Action, Progress, RobotState
from edge_agent.robot.network_interfaces import list_interfaces
from edge_agent.robot.performance import Performance
from edge_agent.robot.sport_service import DAMP, STOP_MOVE, CallLog, SportService
from edge_agent.robot.start_up import advise_service, advise_unheard, check_interface
from edge_agent.robot.state_monitor import StateMonitor
from shared.errors import RobotUnavailable
from shared.outcome import Call, Execution

FIRST_STATE_S = 5.0
POLL_S = 0.02
KEYS_REMEMBERED = 1000
MAKES_SAFE = ("StopMove", "Damp")


class Go2Robot:
    """A Go2 in DDS domain `domain`, reached over network interface `interface` (0 and eth0, say).

    A real dog is whatever is not reached over loopback and not marked as `simulation`; for it
    `start` refuses a cyclonedds that a real dog does not understand. One process holds one domain.
    `clock` is the event loop's; `service` and `monitor` are ways to the dog other than the SDK's.
    """

    def __init__(
        self,
        domain: int,
        interface: str,
        simulation: bool = False,
        *,
        clock: Callable[[], float] = time.monotonic,
        service: SportService | None = None,
        monitor: StateMonitor | None = None,
    ) -> None:
        check_place(domain, interface)
        self._domain = domain
        self._interface = interface
        self._real = not simulation and interface != LOOPBACK
        self._clock = clock
        self._service = service or SportService()
        self._monitor = monitor or StateMonitor(domain, clock)
        self._session = 0
        self._current: Performance | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._results: OrderedDict[str, asyncio.Future[Execution]] = OrderedDict()

    async def start(self) -> None:
        """Connect and wait for the first state, at most FIRST_STATE_S seconds.

        ConfigurationError for a wrong place or version, RobotUnavailable where no dog is heard or
        its sport service is off; it may be called again then. Both say what to do.
        """
        if self._real:
            check_version_for_real_robot()
        interfaces = list_interfaces()
        check_interface(self._interface, interfaces)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, join_domain, self._domain, self._interface)
        await loop.run_in_executor(None, self._monitor.start)
        await self._service.open()
        gives_up_at = self._clock() + FIRST_STATE_S
        while not self._heard():
            if self._clock() > gives_up_at:
                connected = self.state().connected
                raise RobotUnavailable(
                    advise_unheard(self._domain, self._interface, interfaces, connected)
                )
            await asyncio.sleep(POLL_S)
        while self._monitor.tracker.silent or not await self._service.is_there():
            if self._clock() > gives_up_at:
                silent = self._monitor.tracker.silent
                raise RobotUnavailable(advise_service(self._domain, silent))
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        """Stop the dog if it can be reached, and let go of it."""
        if self._current is not None or self.state().connected:
            await self.stop()
        await self._idle.wait()
        await asyncio.get_running_loop().run_in_executor(None, self._monitor.stop)
        self._service.close()

    def state(self) -> RobotState:
        """Return the last state; never blocks."""
        return self._monitor.state()

    async def perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        """Do the action to its end; see the protocol.

        The same key gets the same result without a second performance. While another action is
        under way, StopMove and Damp preempt it and anything else is refused as "busy".
        """
        known = self._results.get(action.key)
        if known is not None:
            return await asyncio.shield(known)
        if action.skill not in CHOREOGRAPHIES:
            return Execution(state="refused", reason="unknown_skill", skill=action.skill)
        if not self._service.opened:
            return Execution(state="failed", reason="robot_unavailable", skill=action.skill)
        result: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        self._remember(action.key, result)
        try:
            execution = await self._perform(action, report)
        except asyncio.CancelledError:
            result.set_result(Execution(state="preempted", reason="cancelled", skill=action.skill))
            raise
        except BaseException as error:
            result.set_exception(error)
            result.exception()  # whoever asked first gets it raised; nobody else has to
            raise
        result.set_result(execution)
        return execution

    async def stop(self) -> list[Call]:
        """End whatever moves, before anything else that waits; return the calls made."""
        return await self._make_safe(STOP_MOVE)

    async def damp(self) -> list[Call]:
        """Make the motors soft at once, whatever the posture; return the calls made."""
        return await self._make_safe(DAMP)

    def halt(self) -> None:
        """End whatever moves, from any thread and without the event loop; see the protocol."""
        current = self._current
        if current is not None:
            current.halt()
        self._service.halt()

    # --------------------------------------------------------------------------------------------

    async def _perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        log = CallLog(self._clock)
        while (current := self._current) is not None:
            if action.skill in MAKES_SAFE:
                current.preempt(STOP_MOVE)
                await self._service.urgent(STOP_MOVE, log)
            elif not current.preempted:
                return Execution(state="refused", reason="busy", skill=action.skill)
            await self._idle.wait()
        if self._monitor.tracker.session != self._session:
            self._session = self._monitor.tracker.session
            self._service.forget_unsupported()
        performance = Performance(
            self._service,
            self._monitor,
            action,
            CHOREOGRAPHIES[action.skill],
            report,
            log,
            self._clock,
        )
        self._current = performance
        self._idle.clear()
        try:
            return await performance.run()
        finally:
            self._current = None
            self._idle.set()

    async def _make_safe(self, call: tuple[str, int]) -> list[Call]:
        log = CallLog(self._clock)
        if self._current is not None:
            self._current.preempt(call)
        if self._service.opened:
            await self._service.urgent(call, log)
        return list(log.calls)

    def _remember(self, key: str, result: "asyncio.Future[Execution]") -> None:
        self._results[key] = result
        while len(self._results) > KEYS_REMEMBERED:
            self._results.popitem(last=False)

    def _heard(self) -> bool:
        state = self.state()
        return state.connected and state.battery_percent is not None
