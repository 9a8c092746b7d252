"""MockGo2: a real DDS peer that speaks the Go2's sport service and publishes its state topics."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_agent.mock_robot.dog_state import DogState
from edge_agent.mock_robot.physics import DogPhysics
from edge_agent.mock_robot.sport_api import (
    AUTO_RECOVERY_GET,
    NAMES,
    NOT_IMPLEMENTED,
    OK,
    REMOVED_NAMES,
    SERVICE_NAME,
    SERVICE_VERSION,
    Posture,
)
from edge_agent.robot.dds_domain import join_domain
from shared.errors import ConfigurationError
from shared.outcome import now_rfc3339

SPORT_STATE_TOPIC = "rt/sportmodestate"
LOW_STATE_TOPIC = "rt/lowstate"
PUBLISH_PERIOD_S = 0.02
MAX_STEP_S = 0.02
MAX_CATCH_UP_S = 2.0
CALL_LOG_LENGTH = 20_000
PROBE_S = 0.8
LEG_MOTORS = 12


@dataclass(frozen=True)
class LoggedCall:
    """One request as the service answered it; `at_s` counts from the mock's start."""

    sequence: int
    time: str
    at_s: float
    api_id: int
    name: str
    parameter: dict[str, Any]
    code: int


class MockGo2:
    """The mock dog in one DDS domain; threads of its own, guarded by one lock.

    `unsupported` are ids that this dog's firmware answers with 3203, beside the removed ones.
    """

    def __init__(
        self,
        domain: int,
        interface: str,
        *,
        posture: Posture = "standing",
        battery_percent: float = 92.0,
        unsupported: frozenset[int] = frozenset(),
    ) -> None:
        self.domain = domain
        self.interface = interface
        self._physics = DogPhysics(posture, battery_percent)
        self._unsupported = unsupported | frozenset(REMOVED_NAMES)
        self._calls: deque[LoggedCall] = deque(maxlen=CALL_LOG_LENGTH)
        self._sequence = 0
        self._lock = threading.Lock()
        self._started_at = self._stepped_at = time.monotonic()
        self._ending = threading.Event()
        self._publisher: threading.Thread | None = None
        self._server: Any = None

    def start(self) -> None:
        """Join the domain and serve; blocks about 1.5 s. ConfigurationError where a dog is there."""
        join_domain(self.domain, self.interface)
        if _hears_a_dog(self.domain):
            raise ConfigurationError(
                f"a robot already answers in DDS domain {self.domain} on {self.interface}; both "
                "would execute every request: end the other one or take another domain"
            )
        write_state = _open_state_topics()
        with self._lock:
            self._started_at = self._stepped_at = time.monotonic()
        self._publisher = threading.Thread(
            target=self._publish, args=(write_state,), name="mock-state", daemon=True
        )
        self._publisher.start()
        self._server = self._open_service()

    def stop(self) -> None:
        """End the state topics; the SDK's server thread ends with the process."""
        self._ending.set()
        if self._publisher is not None:
            self._publisher.join(timeout=2.0)

    def state(self) -> DogState:
        """Return the dog as it is now."""
        with self._lock:
            self._catch_up()
            return self._physics.state()

    def calls(self, after: int = 0) -> list[LoggedCall]:
        """Return the logged calls whose sequence number is above `after`, oldest first."""
        with self._lock:
            return [call for call in self._calls if call.sequence > after]

    @property
    def call_count(self) -> int:
        """How many requests have been answered since the start."""
        with self._lock:
            return self._sequence

    # --- the service ---------------------------------------------------------------------------

    def _open_service(self) -> Any:
        from unitree_sdk2py.rpc.server import Server

        server = Server(SERVICE_NAME)
        server._SetApiVersion(SERVICE_VERSION)
        for api_id in (*NAMES, *REMOVED_NAMES):
            server._RegistHandler(api_id, self._handler(api_id), False)
        server.Start(False)
        return server

    def _handler(self, api_id: int) -> Callable[[str], tuple[int, str]]:
        def handle(parameter: str) -> tuple[int, str]:
            return self._handle(api_id, parameter)

        return handle

    def _handle(self, api_id: int, parameter: str) -> tuple[int, str]:
        """Answer at once: the SDK's server has one thread for all requests."""
        with self._lock:
            self._catch_up()
            if api_id in self._unsupported:
                code = NOT_IMPLEMENTED
            else:
                code = self._physics.command(api_id, parameter)
            self._sequence += 1
            self._calls.append(
                LoggedCall(
                    sequence=self._sequence,
                    time=now_rfc3339(),
                    at_s=round(time.monotonic() - self._started_at, 4),
                    api_id=api_id,
                    name=NAMES.get(api_id) or REMOVED_NAMES[api_id],
                    parameter=_readable(parameter),
                    code=code,
                )
            )
        data = json.dumps({"data": False}) if api_id == AUTO_RECOVERY_GET and code == OK else ""
        return code, data

    # --- time and state ------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Let the physics reach the present in steps of at most MAX_STEP_S; the lock is held."""
        now = time.monotonic()
        behind_s = min(now - self._stepped_at, MAX_CATCH_UP_S)
        self._stepped_at = now
        while behind_s > 0.0:
            step_s = min(behind_s, MAX_STEP_S)
            self._physics.step(step_s)
            behind_s -= step_s

    def _publish(self, write_state: Callable[[DogState], None]) -> None:
        while not self._ending.wait(PUBLISH_PERIOD_S):
            write_state(self.state())


def _readable(parameter: str) -> dict[str, Any]:
    try:
        values = json.loads(parameter or "{}", parse_constant=str)  # NaN is no JSON: keep its name
    except ValueError:
        return {"unreadable": parameter[:200]}
    return values if isinstance(values, dict) else {"unreadable": parameter[:200]}


def _hears_a_dog(domain: int) -> bool:
    """Whether state messages arrive in the domain; waits PROBE_S for the first."""
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.sub import DataReader
    from cyclonedds.topic import Topic
    from cyclonedds.util import duration
    from unitree_sdk2py.idl.unitree_go.msg.dds_ import SportModeState_

    participant = DomainParticipant(domain)
    reader = DataReader(participant, Topic(participant, SPORT_STATE_TOPIC, SportModeState_))
    return next(reader.take_iter(timeout=duration(seconds=PROBE_S)), None) is not None


def _open_state_topics() -> Callable[[DogState], None]:
    from unitree_sdk2py.core.channel import ChannelPublisher
    from unitree_sdk2py.idl.default import (
        unitree_go_msg_dds__LowState_,
        unitree_go_msg_dds__SportModeState_,
    )
    from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_, SportModeState_

    sport_topic = ChannelPublisher(SPORT_STATE_TOPIC, SportModeState_)
    low_topic = ChannelPublisher(LOW_STATE_TOPIC, LowState_)
    sport_topic.Init()
    low_topic.Init()
    sport, low = unitree_go_msg_dds__SportModeState_(), unitree_go_msg_dds__LowState_()

    def write(state: DogState) -> None:
        _fill_sport(sport, state)
        _fill_low(low, state)
        sport_topic.Write(sport)
        low_topic.Write(low)

    return write


def _fill_sport(message: Any, state: DogState) -> None:
    message.stamp.sec = int(state.time_s)
    message.stamp.nanosec = int((state.time_s % 1.0) * 1e9)
    message.error_code = 0
    message.mode = state.mode
    message.progress = state.progress
    message.gait_type = 1 if state.mode == 3 else 0
    message.position = list(state.position_m)
    message.velocity = list(state.velocity_m_s)
    message.yaw_speed = state.yaw_speed_rad_s
    message.body_height = state.body_height_m
    message.imu_state.rpy = list(state.rpy_rad)
    message.imu_state.gyroscope = list(state.gyroscope_rad_s)


def _fill_low(message: Any, state: DogState) -> None:
    message.tick = int(state.time_s * 1000) & 0xFFFFFFFF
    message.bms_state.soc = max(0, min(100, round(state.battery_percent)))
    message.power_v = 28.0 + 0.05 * state.battery_percent
    for index in range(LEG_MOTORS):
        message.motor_state[index].temperature = round(state.motor_temperature_c)
    message.imu_state.rpy = list(state.rpy_rad)
