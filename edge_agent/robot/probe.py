"""Looking at a robot without moving it: which services answer, which state it tells."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edge_agent.robot.dds_domain import (
    LOOPBACK,
    check_place,
    check_version_for_real_robot,
    join_domain,
)
from edge_agent.robot.interface import RobotState
from edge_agent.robot.state_monitor import StateMonitor

SERVICES = ("sport", "motion_switcher", "robot_state", "obstacles_avoid", "vui", "audiohub")
ANSWER_TIMEOUT_S = 1.0
FIRST_STATE_S = 3.0
POLL_S = 0.02

_VERSION_CALL = 1  # the SDK's own question, which every service of its kind answers
_CHECK_MODE = 1001  # of motion_switcher


@dataclass(frozen=True)
class ServiceAnswer:
    """What a service said to the question for its version; `code` 0 is an answer."""

    name: str
    code: int
    version: str | None


class RobotProbe:
    """A look at the robot in a DDS domain from this process, which joins the domain and stays in it.

    Every method blocks, for the SDK's time-outs at most.
    """

    def __init__(self, domain: int, interface: str, simulation: bool = False) -> None:
        self._place = (domain, interface)
        self._real = not simulation and interface != LOOPBACK

    def join(self) -> str:
        """Join the domain and return cyclonedds' version; ConfigurationError says what to do."""
        check_place(*self._place)
        if self._real:
            check_version_for_real_robot()
        join_domain(*self._place)
        try:
            return version("cyclonedds")
        except PackageNotFoundError:
            return "of unknown version"

    def hear(self, wait: Callable[[float], None] = time.sleep) -> RobotState:
        """Return the robot's state, waiting FIRST_STATE_S for the first; disconnected without one."""
        monitor = StateMonitor(self._place[0])
        monitor.start()
        try:
            for _ in range(round(FIRST_STATE_S / POLL_S)):
                state = monitor.state()
                if state.connected and state.battery_percent is not None:
                    break
                wait(POLL_S)
            return monitor.state()
        finally:
            monitor.stop()

    def ask_services(self, names: Sequence[str] = SERVICES) -> list[ServiceAnswer]:
        """Return each service's answer, all asked at once."""
        with ThreadPoolExecutor(len(names), thread_name_prefix="probe") as threads:
            return list(threads.map(_ask_version, names))

    def ask_mode(self) -> str | None:
        """Return the motion mode that is on, "" for none, None where nobody says."""
        client = _make_client("motion_switcher", _CHECK_MODE)
        code, data = client._Call(_CHECK_MODE, "{}")
        if code != 0:
            return None
        try:
            return str(json.loads(data)["name"])
        except (ValueError, KeyError, TypeError):
            return None


def _ask_version(name: str) -> ServiceAnswer:
    code, told = _make_client(name)._Call(_VERSION_CALL, "{}")
    return ServiceAnswer(name, code, told if code == 0 else None)


def _make_client(name: str, *api_ids: int) -> Any:
    from unitree_sdk2py.rpc.client import Client

    client = Client(name, False)
    client.SetTimeout(ANSWER_TIMEOUT_S)
    for api_id in api_ids:
        client._RegistApi(api_id, 0)
    return client
