"""MockGo2: a mock dog as a real DDS peer that serves the Go2's services and state topics."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edge_agent.mock_robot.dog import MockDog
from edge_agent.mock_robot.dog_state import Told
from edge_agent.mock_robot.sport_api import SERVICE_VERSION, SPORT, Posture
from edge_agent.mock_robot.state_topics import SPORT_STATE_TOPIC, open_state_topics
from edge_agent.robot.dds_domain import join_domain
from shared.errors import ConfigurationError

PUBLISH_PERIOD_S = 0.02
PROBE_S = 0.8
ENDING_S = 2.0


class MockGo2(MockDog):
    """A mock dog in one DDS domain, on threads of its own."""

    def __init__(
        self,
        domain: int,
        interface: str,
        *,
        posture: Posture = "standing",
        battery_percent: float = 92.0,
        unsupported: frozenset[int] = frozenset(),
        speed: float = 1.0,
    ) -> None:
        super().__init__(
            posture=posture, battery_percent=battery_percent, unsupported=unsupported, speed=speed
        )
        self.domain = domain
        self.interface = interface
        self._ending = threading.Event()
        self._publisher: threading.Thread | None = None
        self._servers: list[_Server] = []

    def start(self) -> None:
        """Join the domain and serve; blocks about 1.5 s. ConfigurationError where a dog is there."""
        join_domain(self.domain, self.interface)
        if _hears_a_dog(self.domain):
            raise ConfigurationError(
                f"a robot already answers in DDS domain {self.domain} on {self.interface}; both "
                "would execute every request: end the other one or take another domain"
            )
        write = open_state_topics()
        self.begin()
        self._publisher = threading.Thread(
            target=self._publish, args=(write,), name="mock-state", daemon=True
        )
        self._publisher.start()
        self._open_services()

    def stop(self) -> None:
        """End the state topics; the SDK's server threads end with the process."""
        self._ending.set()
        if self._publisher is not None:
            self._publisher.join(timeout=ENDING_S)

    def _open_services(self) -> None:
        versions = {SPORT: SERVICE_VERSION}
        versions |= {name: service.version for name, service in self.services.items()}
        self._servers = [_Server(self, name, version) for name, version in versions.items()]
        # The SDK sleeps 0.7 s in each start: side by side they are ready together.
        with ThreadPoolExecutor(len(self._servers)) as starting:
            list(starting.map(_Server.start, self._servers))  # raises what a start has raised

    def _publish(self, write: Callable[[Told], None]) -> None:
        while not self._ending.wait(PUBLISH_PERIOD_S / min(self.speed, 4.0)):
            write(self.told())


class _Server:
    """One service on the SDK's own server; a slow dog's requests wait in a line of their own."""

    def __init__(self, dog: MockDog, name: str, version: str) -> None:
        from unitree_sdk2py.rpc.server import Server

        self._dog = dog
        self._name = name
        self._server: Any = Server(name)
        self._server._SetApiVersion(version)
        self._version = version
        self._waiting: queue.Queue[tuple[float, Any]] = queue.Queue()

    def start(self) -> None:
        """Serve; blocks while the SDK opens its topics."""
        self._server._SetServerRequestHandler(self._arrive)
        threading.Thread(target=self._work, name=f"mock-{self._name}", daemon=True).start()
        self._server._Start(False)

    def _arrive(self, request: Any) -> None:
        """Return at once: the SDK's server has one thread, and its queue holds ten requests."""
        self._waiting.put((time.monotonic() + self._dog.delay_s(), request))

    def _work(self) -> None:
        while True:
            due_at, request = self._waiting.get()
            time.sleep(max(0.0, due_at - time.monotonic()))
            self._answer(request)

    def _answer(self, request: Any) -> None:
        from unitree_sdk2py.idl.unitree_api.msg.dds_ import (
            Response_,
            ResponseHeader_,
            ResponseStatus_,
        )
        from unitree_sdk2py.rpc.internal import RPC_API_ID_INTERNAL_API_VERSION

        identity = request.header.identity
        if identity.api_id == RPC_API_ID_INTERNAL_API_VERSION:
            reply = self._dog.tell_version(self._version)
        else:
            reply = self._dog.take(self._name, identity.api_id, request.parameter)
        if reply is None or request.header.policy.noreply:
            return
        code, data = reply
        header = ResponseHeader_(identity, ResponseStatus_(code))
        self._server._SendResponse(Response_(header, data, []))


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
