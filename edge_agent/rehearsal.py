"""Rehearsing skills: the true driver against a mock dog of its own, over real DDS, no agent.

Each skill is performed from one posture; what came of it is told beside what its choreography
declares. The mock is a process in a DDS domain that nobody uses.
"""

import asyncio
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.paced_loop import PacedLoop
from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action, Progress
from shared.errors import RobotUnavailable
from shared.outcome import Execution, ExecutionState

Result = TypeVar("Result")
Start = Literal["standing", "sitting", "lying"]
_WAY: dict[Start, str] = {"standing": "RecoveryStand", "sitting": "Sit", "lying": "StandDown"}
MOCK_READY_S = 60.0
LIMIT_S = 120.0
"""How long one skill may take, on the rehearsal's clock."""


@dataclass(frozen=True)
class Rehearsal:
    """What came of one skill: the driver's word, the mock's own word, and the declaration."""

    skill: str
    start: Start
    execution: Execution
    states: tuple[ExecutionState, ...]
    declared_end: str | None
    end_posture: str
    end_moving: bool
    took_s: float
    duration_s: float

    @property
    def as_declared(self) -> bool:
        """Whether it was confirmed and the mock is at rest in the declared posture."""
        posture = self.declared_end or self.start
        confirmed = self.execution.state == "confirmed"
        return confirmed and self.end_posture == posture and not self.end_moving

    def describe(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "skill": self.skill,
            "from": self.start,
            "as_declared": self.as_declared,
            "state": self.execution.state,
            "reason": self.execution.reason,
            "states": list(self.states),
            "declared_end": self.declared_end or self.start,
            "end": {"posture": self.end_posture, "moving": self.end_moving},
            "took_s": self.took_s,
            "duration_s": self.duration_s,
            "calls": [call.model_dump() for call in self.execution.calls],
        }


class Stage:
    """A mock dog and the driver that has it, on a loop `speed` times as fast as time."""

    def __init__(self, mock_url: str, domain: int, speed: float) -> None:
        self.mock_url = mock_url
        self._mock = httpx.Client(base_url=mock_url, trust_env=False, timeout=10.0)
        self._loop = PacedLoop(speed)
        self._robot = Go2Robot(domain, "lo", simulation=True, clock=self._loop.time)
        self._do(self._robot.start())

    def rehearse(self, skill: str, start: Start) -> Rehearsal:
        """Bring the dog into `start`, perform the skill and return what came of it.

        RobotUnavailable where it does not come into `start`.
        """
        if self._mock_state()["posture"] != start:
            brought = self._perform(_WAY[start], [])
            if brought.state != "confirmed":
                raise RobotUnavailable(
                    f"the mock dog cannot be brought into {start} for {skill}: {brought.reason}"
                )
        states: list[ExecutionState] = []
        before_s = self._loop.time()
        execution = self._perform(skill, states)
        took_s = round(self._loop.time() - before_s, 2)
        state = self._mock_state()
        choreography = CHOREOGRAPHIES[skill]
        return Rehearsal(
            skill=skill,
            start=start,
            execution=execution,
            states=tuple(states),
            declared_end=choreography.end,
            end_posture=state["posture"],
            end_moving=state["moving"],
            took_s=took_s,
            duration_s=choreography.duration_s,
        )

    def close(self) -> None:
        """Stop the dog and let go of it."""
        self._do(self._robot.close())
        self._loop.close()
        self._mock.close()

    def _perform(self, skill: str, states: list[ExecutionState]) -> Execution:
        def note(progress: Progress) -> None:
            states.append(progress.state)

        action = Action(skill, str(uuid.uuid4()), self._loop.time() + LIMIT_S)
        return self._do(self._robot.perform(action, note))

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        with redirect_stdout(sys.stderr):  # the SDK prints
            return self._loop.run_until_complete(asyncio.wait_for(work, LIMIT_S))

    def _mock_state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._mock.get("/v1/state").raise_for_status().json()
        return state


@contextmanager
def open_stage(speed: float, tell: Callable[[str], None]) -> Iterator[Stage]:
    """Start a mock dog and a driver for it; both end with the block."""
    domain, port = choose_domain(), choose_port(0, set())
    url = f"http://127.0.0.1:{port}"
    place = ["--domain", str(domain), "--interface", "lo", "--port", str(port)]
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        log = Path(folder) / "mock-robot.log"
        module = ["edge_agent", "mock-robot", *place, "--speed", str(speed)]
        mock = ChildProcess("mock robot", module, child_environment(os.environ, {}), log)
        try:
            mock.wait_until_ready(f"{url}/healthz", MOCK_READY_S)
            stage = Stage(url, domain, speed)
            tell(f"mock robot in DDS domain {domain}, to be seen at {url}/")
            try:
                yield stage
            finally:
                stage.close()
        finally:
            mock.end()


def rehearse(
    skills: Sequence[str], start: Start, speed: float, tell: Callable[[str], None]
) -> Iterator[Rehearsal]:
    """Perform the skills one after the other and yield what came of each."""
    with open_stage(speed, tell) as stage:
        for skill in skills:
            yield stage.rehearse(skill, start)


def render(rehearsal: Rehearsal) -> str:
    """Return a rehearsal as lines for a person."""
    ended = rehearsal.execution
    reason = f" ({ended.reason})" if ended.reason else ""
    verdict = "as declared" if rehearsal.as_declared else "NOT as declared"
    moving = ", moving" if rehearsal.end_moving else ""
    lines = [
        f"{rehearsal.skill} from {rehearsal.start}: {verdict} — {ended.state}{reason}, ends "
        f"{rehearsal.end_posture}{moving}, {rehearsal.took_s:.1f} s "
        f"(declared {rehearsal.duration_s:.1f} s from standing)",
        f"  states  {' → '.join(rehearsal.states) or 'none'}",
    ]
    for call in ended.calls:
        values = " ".join(f"{name}={value}" for name, value in call.parameter.items())
        code = "no reply" if call.code is None else f"code {call.code}"
        lines.append(f"  {call.at_ms / 1000:7.2f} s  {call.name} ({call.api_id}) {values}  {code}")
    return "\n".join(lines)
