"""A mock dog in a process of its own, and the driver in this process's one DDS domain."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edge_agent.free_places import choose_domain
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action, Progress, RobotState
from shared.outcome import Execution

ROOT = Path(__file__).parents[3]
BOUND_S = 30.0
UNSUPPORTED = {1016, 1036}
"""Hello and Heart: the first has a fall-back, the second has none."""

Result = TypeVar("Result")


class MockProcess:
    """One mock dog as a process, seen through its HTTP side."""

    def __init__(self, domain: int) -> None:
        code = (
            "from edge_agent.mock_robot.server import run; "
            f"run({domain}, 'lo', '127.0.0.1', 0, unsupported=frozenset({UNSUPPORTED!r}))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        assert "ready" in self.ready_line, self.process.communicate(timeout=BOUND_S)
        self.address = self.ready_line.split()[-1]

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.address + path, timeout=BOUND_S) as answer:
            return json.load(answer)

    def state(self) -> dict[str, Any]:
        return self.get("v1/state")

    def fault(self, name: str, on: bool = True, **parameters: Any) -> None:
        wish = json.dumps({"fault": name, "on": on, **parameters}).encode()
        request = urllib.request.Request(
            self.address + "faults", wish, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=BOUND_S) as answer:
            assert answer.status == 200

    def clear_faults(self) -> None:
        request = urllib.request.Request(self.address + "faults", method="DELETE")
        with urllib.request.urlopen(request, timeout=BOUND_S) as answer:
            assert answer.status == 200

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        return self.get(f"v1/calls?after={after}")["calls"]

    def count(self) -> int:
        return self.get("v1/calls")["total"]

    def names(self, after: int) -> list[str]:
        """The calls' names since `after`, a repeated one told once."""
        names: list[str] = []
        for call in self.calls(after):
            if not names or names[-1] != call["name"]:
                names.append(call["name"])
        return names

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=BOUND_S)
        return self.process.returncode


class Dog:
    """The driver on an event loop that lives as long as it, and the mock it drives."""

    def __init__(self, domain: int, mock: MockProcess) -> None:
        self.mock = mock
        self.loop = asyncio.new_event_loop()
        self.robot = Go2Robot(domain, "lo")
        self.told: list[str] = []
        self._number = 0
        self.do(self.robot.start())

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(asyncio.wait_for(work, 2 * BOUND_S))

    def action(self, skill: str, **changes: Any) -> Action:
        self._number += 1
        values = {"key": f"{skill}-{self._number}", "expires_at": time.monotonic() + BOUND_S}
        return Action(skill, **{**values, **changes})

    def _tell(self, progress: Progress) -> None:
        self.told.append(progress.state)

    async def perform(self, skill: str, **changes: Any) -> Execution:
        self.told = []
        return await self.robot.perform(self.action(skill, **changes), self._tell)

    async def until(self, wanted: Callable[[RobotState], bool]) -> RobotState:
        gives_up_at = time.monotonic() + BOUND_S
        while not wanted(self.robot.state()):
            assert time.monotonic() < gives_up_at, self.robot.state()
            await asyncio.sleep(0.01)
        return self.robot.state()

    def stand(self) -> None:
        """Bring the dog back to standing in balance, whatever a test before has left."""
        if self.robot.state().mode != 1 or self.robot.state().moving:
            assert self.do(self.perform("RecoveryStand")).state == "confirmed"


@pytest.fixture(scope="session")
def dds_domain() -> int:
    """A DDS domain whose first ports are free; this process stays in it."""
    return choose_domain()


@pytest.fixture(scope="module")
def dog(dds_domain: int) -> Iterator[Dog]:
    """The driver and a mock of the module's own."""
    mock = MockProcess(dds_domain)
    dog = None
    try:
        dog = Dog(dds_domain, mock)
        yield dog
        dog.do(dog.robot.close())
        dog.loop.close()
    finally:
        for each in {mock, mock if dog is None else dog.mock}:  # a test may have replaced it
            if each.process.poll() is None:
                each.end()
