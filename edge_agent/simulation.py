"""The whole system on one machine: mock robot, cloud and agent as three processes that end together."""

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import httpx
from typing_extensions import Self

from edge_agent.agent_client import AgentClient
from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port, port_is_free
from edge_agent.settings import EdgeSettings
from shared.errors import ConfigurationError, RobotUnavailable

MOCK_READY_S = 60.0
AGENT_READY_S = 120.0
CLOUD_READY_S = 600.0
SETTLE_TIMEOUT_S = 30.0
SETTLE_POLL_S = 0.1
SETTLE_READS = 2
DEFAULT_AGENT_PORT, DEFAULT_CLOUD_PORT, DEFAULT_MOCK_PORT = 8080, 8090, 8070
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class SimulationOptions:
    """Where the three processes live; None chooses what is free."""

    domain: int | None = None
    agent_port: int | None = None
    cloud_port: int | None = None
    mock_port: int | None = None
    confirm: bool = False
    """Whether dangerous skills wait for a yes, as on a real dog."""
    keep: bool = False
    """Whether logs and journal are left where they are, also after an orderly end."""

    def check_ports(self) -> None:
        """Raise ConfigurationError where a given port is taken, or given twice."""
        given: dict[int, str] = {}
        for name in ("agent_port", "cloud_port", "mock_port"):
            port, option = getattr(self, name), f"--{name.replace('_', '-')}"
            if port is None:
                continue
            if port in given:
                raise ConfigurationError(f"{given[port]} and {option} are both {port}; change one")
            if not port_is_free(port):
                raise ConfigurationError(
                    f"cannot listen on port {port}; end what uses it or give another {option}"
                )
            given[port] = option


class Simulation:
    """Three processes between `start` and `close`; use it as a context."""

    def __init__(
        self,
        options: SimulationOptions,
        settings: EdgeSettings,
        tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        self._options = options
        self._settings = settings
        self._tell = tell
        self._cloud_told = False
        self._children: list[ChildProcess] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self.logs = Path(tempfile.mkdtemp(prefix="shadowdog-simulation-"))
        self.domain = choose_domain() if options.domain is None else options.domain
        given = (options.agent_port, options.cloud_port, options.mock_port)
        taken = {port for port in given if port}
        agent_port = options.agent_port or choose_port(DEFAULT_AGENT_PORT, taken)
        cloud_port = options.cloud_port or choose_port(DEFAULT_CLOUD_PORT, taken)
        mock_port = options.mock_port or choose_port(DEFAULT_MOCK_PORT, taken)
        self.agent_url = f"http://127.0.0.1:{agent_port}"
        self.cloud_url = f"http://127.0.0.1:{cloud_port}"
        self.mock_url = f"http://127.0.0.1:{mock_port}"
        self.agent = AgentClient(self.agent_url)
        self._mock = httpx.Client(base_url=self.mock_url, trust_env=False, timeout=10.0)

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, _end) for number in _SIGNALS[1:]}
        try:
            self.start()
        except BaseException as error:
            self._leave(type(error))
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(exception_type)

    def _leave(self, why: type[BaseException] | None) -> None:
        """End all three; what was said stays on the disk only where somebody has to look for what failed."""
        orderly = why in (None, KeyboardInterrupt) and all(each.alive() for each in self._children)
        self.close()
        if self._options.keep or not orderly:
            self._tell(f"logs and journal 日志: {self.logs}")
        else:
            shutil.rmtree(self.logs, ignore_errors=True)

    def start(self) -> None:
        """Start all three and return when each is ready; ConfigurationError tells a dead one's log."""
        key = secrets.token_urlsafe(32)
        host, port = "127.0.0.1", str(httpx.URL(self.cloud_url).port)
        cloud = self._child(
            "cloud",
            ["cloud_server", "serve", "--host", host, "--port", port],
            cloud_environment(os.environ, key),
        )
        mock_port = str(httpx.URL(self.mock_url).port)
        place = ["--domain", str(self.domain), "--interface", "lo"]
        mock = self._child(
            "mock robot",
            ["edge_agent", "mock-robot", *place, "--host", host, "--port", mock_port],
            child_environment(os.environ, {}),
        )
        self._await(mock, f"{self.mock_url}/healthz", MOCK_READY_S)
        agent = self._child("agent", ["edge_agent", "run"], self._agent_environment(key))
        self._await(agent, f"{self.agent_url}/healthz", AGENT_READY_S)
        self._await(cloud, f"{self.cloud_url}/readyz", CLOUD_READY_S)

    def close(self) -> None:
        """End all three; a second Ctrl-C does not interrupt it."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
        try:
            self._end_children()
        finally:
            for number, handler in (before | self._handlers).items():
                signal.signal(number, handler)
        self.agent.close()
        self._mock.close()

    def _end_children(self) -> None:
        for child in reversed(self._children):
            if child.name == "agent":
                child.end()  # first, since it stops the dog
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.end()

    def check(self) -> None:
        """Tell once that the cloud has ended; RobotUnavailable where the rest cannot go on."""
        for child in self._children:
            if child.alive():
                continue
            if child.name != "cloud":
                raise RobotUnavailable(f"the {child.name} has ended.\n{child.describe_end()}")
            if not self._cloud_told:
                self._cloud_told = True
                self._tell(
                    "The cloud has ended; the dog's own skills go on working. 云端已退出，"
                    f"机器狗自己的本领照常可用。 ({child.log})"
                )

    @property
    def cloud_alive(self) -> bool:
        return any(child.alive() for child in self._children if child.name == "cloud")

    def mock_state(self) -> dict[str, Any]:
        """Return the mock's own state."""
        return self._ask_mock("/v1/state")

    def mock_calls(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls that the mock logged after number `after`."""
        calls: list[dict[str, Any]] = self._ask_mock(f"/v1/calls?after={after}")["calls"]
        return calls

    def settle(self) -> bool:
        """Wait until nothing is under way and the dog is still; False where it never is."""
        give_up_at = time.monotonic() + SETTLE_TIMEOUT_S
        still = 0
        while still < SETTLE_READS:
            if time.monotonic() > give_up_at:
                return False
            still = still + 1 if self._is_settled() else 0
            time.sleep(SETTLE_POLL_S)
        return True

    def _is_settled(self) -> bool:
        self.check()
        agent, mock = self.agent.state(), self.mock_state()
        under_way = agent["action"] is not None or agent["utterances"] or agent["robot"]["moving"]
        return not under_way and not mock["moving"] and mock["doing"] is None

    def _ask_mock(self, path: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = self._mock.get(path).raise_for_status().json()
            return value
        except httpx.HTTPError as error:
            self.check()
            raise RobotUnavailable(f"the mock robot does not answer ({error!r})") from error

    def _child(self, name: str, module: list[str], environment: dict[str, str]) -> ChildProcess:
        log = self.logs / f"{name.replace(' ', '-')}.log"
        child = ChildProcess(name, module, environment, log)
        self._children.append(child)
        return child

    def _await(self, child: ChildProcess, url: str, timeout_s: float) -> None:
        self._tell(f"  {child.name}: process {child.pid}, waiting until it is ready …")
        started = time.monotonic()
        child.wait_until_ready(url, timeout_s)
        self._tell(f"  {child.name}: ready after {time.monotonic() - started:.1f} s")

    def _agent_environment(self, key: str) -> dict[str, str]:
        settings = self._settings
        if not (settings.bundle / "manifest.json").is_file():
            raise ConfigurationError(f"no bundle at {settings.bundle}; set EDGE_BUNDLE")
        given = {
            "HOST": "127.0.0.1",
            "PORT": str(httpx.URL(self.agent_url).port),
            "BUNDLE": str(settings.bundle),
            "CLOUD_URL": self.cloud_url,
            "CLOUD_KEY": key,
            "ROBOT_INTERFACE": "lo",
            "ROBOT_DOMAIN": str(self.domain),
            "SIMULATION": "true",
            "CONFIRM_DANGEROUS": "true" if self._options.confirm else "false",
            "JOURNAL": str(self.logs / "journal.jsonl"),
            "OUTBOX": str(self.logs / "outbox.sqlite3"),
        }
        return agent_environment(os.environ, given)


_NOT_INHERITED = ("EDGE_PAIRING_TOKEN", "EDGE_TLS_CERTIFICATE", "EDGE_TLS_KEY")


def agent_environment(inherited: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the agent's environment: a person's own settings, those that the simulation gives first.

    A pairing token and a certificate are left out: the simulation's own prompt would not know them.
    """
    own = {
        name: value
        for name, value in inherited.items()
        if name.startswith("EDGE_") and name not in _NOT_INHERITED
    }
    return child_environment(
        inherited, {**own, **{f"EDGE_{name}": value for name, value in given.items()}}
    )


def cloud_environment(inherited: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the cloud's environment: what it inherits, with the simulation's key alone.

    The skills that the edge is taught are the cloud's, too, unless it is told otherwise.
    """
    own = {
        name: value
        for name, value in inherited.items()
        if name not in ("CLOUD_API_KEYS", "CLOUD_API_KEY_FILE", "CLOUD_HOST", "CLOUD_PORT")
    }
    if "EDGE_SKILLS" in inherited:
        own.setdefault("CLOUD_SKILLS", inherited["EDGE_SKILLS"])
    return child_environment(own, {"CLOUD_API_KEYS": key})


def _end(number: int, frame: FrameType | None) -> None:
    """Let SIGTERM and a closed terminal end the simulation as Ctrl-C does."""
    raise KeyboardInterrupt
