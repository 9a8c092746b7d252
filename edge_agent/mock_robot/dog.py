"""MockDog: the whole mock dog but for its network: body, services, faults and the log of calls."""

import dataclasses
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from edge_agent.mock_robot.call_log import CallLog, LoggedCall
from edge_agent.mock_robot.dog_state import DogState, Told, silence, spoil
from edge_agent.mock_robot.fault_script import TimedFault
from edge_agent.mock_robot.faults import (
    Dead,
    Fallen,
    Fault,
    Faults,
    HotMotor,
    LowBattery,
    NanState,
    NoSpeaker,
    OldFirmware,
    Rejecting,
    Restarted,
    Silent,
    Slow,
    StaleState,
    Unready,
    Unsupported,
)
from edge_agent.mock_robot.physics import DogPhysics
from edge_agent.mock_robot.services import (
    AudioHub,
    MotionSwitcher,
    ObstaclesAvoid,
    RobotStateService,
    Service,
    Vui,
    answer,
)
from edge_agent.mock_robot.sport_api import (
    ALL_NAMES,
    AUTO_RECOVERY_GET,
    NOT_IMPLEMENTED,
    OK,
    OLD_FIRMWARE_CALLS,
    REMOVED_NAMES,
    SPORT,
    Posture,
)

MAX_STEP_S = 0.02
MAX_CATCH_UP_S = 10.0


class MockDog:
    """A mock dog that lives on `clock`, `speed` times as fast; safe to use from any thread.

    `unsupported` are sport calls that this dog's firmware answers with 3203, beside the removed
    ones. `faults` says what goes wrong with it.
    """

    def __init__(
        self,
        *,
        posture: Posture = "standing",
        battery_percent: float = 92.0,
        unsupported: frozenset[int] = frozenset(),
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.faults = Faults()
        self.faults.on_change = self._take_fault
        self.speed = speed
        self._clock = clock
        self._physics = DogPhysics(posture, battery_percent)
        self._unsupported = unsupported
        self._switcher = MotionSwitcher()
        self._robot_state = RobotStateService()
        self._audio = AudioHub()
        parts: tuple[Service, ...] = (
            self._switcher,
            ObstaclesAvoid(self._physics.command),
            Vui(),
            self._robot_state,
            self._audio,
        )
        self.services = {service.name: service for service in parts}
        self._calls = CallLog()
        self._lock = threading.RLock()
        self._started_at = self._stepped_at = clock()
        self._away_until: float | None = None
        self._tipped_over = False
        self._planned: deque[TimedFault] = deque()
        self._frozen: Told | None = None

    def plan(self, script: Sequence[TimedFault]) -> None:
        """Switch these faults when their times come, in the order given."""
        with self._lock:
            self._planned.extend(script)

    def begin(self) -> None:
        """Let the dog's time begin now."""
        with self._lock:
            self._started_at = self._stepped_at = self._clock()

    # --- what the network asks -------------------------------------------------------------------

    def delay_s(self) -> float:
        """Return how late a request that arrives now is taken, in seconds of the clock."""
        slow = self.faults.active(Slow)
        return 0.0 if slow is None else slow.delay_s / self.speed

    def take(self, service: str, api_id: int, parameter: str) -> tuple[int, str] | None:
        """Take one request to "sport" or one of `services`; return code and data, None for no answer."""
        with self._lock:
            self._catch_up()
            if self._gone() or (service == SPORT and not self._sport_runs()):
                return None
            if self.faults.active(Silent) is not None:
                self._log(service, api_id, parameter, None)
                return None
            code, data = self._answer(service, api_id, parameter)
            self._log(service, api_id, parameter, code)
            return code, data

    def tell_version(self, version: str) -> tuple[int, str] | None:
        """Answer the SDK's own question for a service's version."""
        with self._lock:
            self._catch_up()
            quiet = self._gone() or self.faults.active(Silent) is not None
            return None if quiet else (OK, version)

    def told(self) -> Told:
        """Return what the state topics say now."""
        with self._lock:
            state = self.state()
            if self._gone():
                return Told(None, None)
            stale = self.faults.active(StaleState)
            if stale is not None:
                return self._frozen if stale.repeat and self._frozen else Told(None, None)
            sport = state
            if not self._sport_runs():
                sport = silence(state)
            elif self.faults.active(NanState) is not None:
                sport = spoil(state)
            return Told(sport, state)

    # --- what can be seen ------------------------------------------------------------------------

    def state(self) -> DogState:
        """Return the dog as it is now, with the battery and the motors as they are told."""
        with self._lock:
            self._catch_up()
            state = self._physics.state()
            low, hot = self.faults.active(LowBattery), self.faults.active(HotMotor)
            return dataclasses.replace(
                state,
                battery_percent=low.percent if low else state.battery_percent,
                motor_temperature_c=hot.celsius if hot else state.motor_temperature_c,
            )

    def calls(self, after: int = 0, service: str | None = SPORT) -> list[LoggedCall]:
        """Return the logged calls above number `after`, oldest first; of all services for None."""
        with self._lock:
            return self._calls.after(after, service)

    @property
    def call_count(self) -> int:
        """The last logged call's number, whatever its service."""
        with self._lock:
            return self._calls.last

    def audio_uploads(self) -> list[bytes]:
        """Return the sounds that were uploaded to the loudspeaker, the newest last."""
        with self._lock:
            return list(self._audio.uploads)

    def audio_status(self) -> tuple[int, bool]:
        """Return how many sounds were ever uploaded, and whether the megaphone is open."""
        with self._lock:
            return self._audio.upload_count, self._audio.open

    # --------------------------------------------------------------------------------------------

    def _answer(self, service: str, api_id: int, parameter: str) -> tuple[int, str]:
        if service == SPORT:
            return self._answer_sport(api_id, parameter)
        if service == self._audio.name and self.faults.active(NoSpeaker) is not None:
            return NOT_IMPLEMENTED, ""
        return answer(self.services[service], api_id, parameter)

    def _answer_sport(self, api_id: int, parameter: str) -> tuple[int, str]:
        if not self._supports(api_id):
            return NOT_IMPLEMENTED, ""
        rejecting = self.faults.active(Rejecting)
        if rejecting is not None and (not rejecting.api_ids or api_id in rejecting.api_ids):
            return rejecting.code, ""
        code = self._physics.command(api_id, parameter)
        told = api_id == AUTO_RECOVERY_GET and code == OK
        return code, json.dumps({"data": False}) if told else ""

    def _supports(self, api_id: int) -> bool:
        missing = self.faults.active(Unsupported)
        if api_id in self._unsupported or (missing is not None and api_id in missing.api_ids):
            return False
        old = self.faults.active(OldFirmware) is not None and api_id in OLD_FIRMWARE_CALLS
        return old or api_id not in REMOVED_NAMES

    def _sport_runs(self) -> bool:
        return self._robot_state.sport_runs and self._switcher.mode != ""

    def _gone(self) -> bool:
        return any(self.faults.active(kind) is not None for kind in (Dead, Restarted))

    def _take_fault(self, fault: Fault, on: bool) -> None:
        """Let a fault that was switched do to the body what it does."""
        with self._lock:
            self._advance()
            physics = self._physics
            if isinstance(fault, Restarted):
                self._away_until = self._dog_time() + fault.away_s if on else None
                if on:
                    physics.put("damped")
                else:
                    physics.restart()
            elif isinstance(fault, Fallen):
                self._tipped_over = on
                if on:
                    physics.put("fallen")
                elif physics.on_side:
                    physics.put("lying")
            elif isinstance(fault, Unready):
                physics.readiness_s = fault.seconds if on else 0.0
            elif isinstance(fault, StaleState):
                self._frozen = Told(self.state(), self.state()) if on else None

    # --- time and the log ------------------------------------------------------------------------

    def _dog_time(self) -> float:
        return (self._stepped_at - self._started_at) * self.speed

    def _catch_up(self) -> None:
        """Reach the present; switch the faults that are due and end those that end by themselves."""
        self._advance()
        while self._planned and self._planned[0].at_s <= self._dog_time():
            self.faults.command(self._planned.popleft().wish)
        if self._away_until is not None and self._dog_time() >= self._away_until:
            self.faults.switch(Restarted(), False)
        if self._tipped_over and not self._physics.on_side:  # it has got up
            self.faults.switch(Fallen(), False)

    def _advance(self) -> None:
        """Let the physics reach the present in steps of at most MAX_STEP_S; the lock is held."""
        now = self._clock()
        behind_s = min((now - self._stepped_at) * self.speed, MAX_CATCH_UP_S)
        self._stepped_at = now
        while behind_s > 0.0:
            step_s = min(behind_s, MAX_STEP_S)
            self._physics.step(step_s)
            behind_s -= step_s

    def _log(self, service: str, api_id: int, parameter: str, code: int | None) -> None:
        names = ALL_NAMES if service == SPORT else self.services[service].calls
        self._calls.add(self._dog_time(), service, api_id, names.get(api_id), parameter, code)
