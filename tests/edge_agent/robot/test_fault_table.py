"""docs/robot-faults.md says what comes of each fault at each moment; every cell of it is tried here.

The agent's gate and actor, the driver and the mock, in virtual time and without the network.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_agent.acting import Actor
from edge_agent.gate import Gate
from edge_agent.mock_robot.faults import FAULT_NAMES
from edge_agent.mock_robot.sport_api import Posture
from edge_agent.utterance import Utterance
from shared.outcome import Execution
from shared.skills import skill
from tests.edge_agent.robot.virtual_dog import VirtualDog

TABLE = Path(__file__).parents[3] / "docs" / "robot-faults.md"
KNOWN_S = 2.5
"""How long a fault has been on when a skill is asked for `before` it begins."""
LATE_S = 10.0


@dataclass(frozen=True)
class Moment:
    """A skill under way: from which posture it began, and when the fault comes."""

    skill: str
    start: Posture
    after_s: float | None


MOMENTS = {
    "before": Moment("Sit", "standing", None),
    "getting up": Moment("ShakeBody", "lying", 0.4),
    "sitting down": Moment("Sit", "standing", 0.5),
    "walking": Moment("WaltzDance", "standing", 1.0),
    "tilting": Moment("BalanceAttitude", "standing", 1.0),
    "dancing": Moment("Dance", "standing", 1.5),
}


@dataclass(frozen=True)
class Result:
    """What came of it, and how long after the fault (or the wish) that was; seconds."""

    execution: Execution
    took_s: float
    rested_s: float
    late_calls: tuple[str, ...]

    @property
    def words(self) -> str:
        reason = self.execution.reason
        return f"{self.execution.state}{f' {reason}' if reason else ''}"


def try_fault(fault: str, parameters: dict[str, Any], moment: Moment) -> Result:
    """Let a skill meet a fault, and watch the dog until it rests and LATE_S longer."""
    dog = VirtualDog(moment.start)
    actor = Actor(dog.robot, Gate(clock=dog.loop.time), clock=dog.loop.time)
    dog.rest(1.0)

    async def act() -> Execution:
        utterance = Utterance(
            text=moment.skill,
            lang="en",
            source="text",
            session_id="table",
            clock=dog.loop.time,
            deadline_at=dog.loop.time() + 20.0,
            stopped=actor.stopped,
        )
        return await actor.perform(skill(moment.skill), utterance)

    async def meet() -> tuple[Execution, float]:
        if moment.after_s is None:
            begun = dog.loop.time()
            return await act(), dog.loop.time() - begun
        acting = asyncio.ensure_future(act())
        await asyncio.sleep(moment.after_s)
        dog.fault(fault, **parameters)
        begun = dog.loop.time()
        return await acting, dog.loop.time() - begun

    if moment.after_s is None:
        dog.fault(fault, **parameters)
        dog.rest(KNOWN_S)
    execution, took_s = dog.do(meet())
    ended, count = dog.loop.time(), len(dog.mock.calls())
    rested_s = 0.0
    while dog.loop.time() - ended < LATE_S:
        dog.rest(0.02)
        if dog.mock.state().moving:
            rested_s = dog.loop.time() - ended
    late = tuple(call.name for call in dog.mock.calls()[count:])
    dog.close()
    return Result(execution, round(took_s, 2), round(rested_s, 2), late)


def read_table() -> list[tuple[str, str, str, float, float]]:
    """Return the table's cells: fault with parameters, moment, words, bound and rest in seconds."""
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in TABLE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    header, cells = rows[0], []
    assert header == ["fault", *MOMENTS]
    for row in rows[2:]:
        for moment, cell in zip(header[1:], row[1:], strict=True):
            found = re.fullmatch(r"(.+?), ([0-9.]+) s(?:, rests in ([0-9.]+) s)?", cell)
            assert found, cell
            cells.append((row[0], moment, found[1], float(found[2]), float(found[3] or 1.0)))
    return cells


def read_fault(cell: str) -> tuple[str, dict[str, Any]]:
    """Return a fault's name and parameters from the table's first column: `slow` {"delay_s": 3}."""
    name, _, parameters = cell.partition(" ")
    return name.strip("`"), json.loads(parameters.strip("`") or "{}")


CELLS = read_table()


@pytest.mark.parametrize(
    ("fault", "moment", "words", "bound_s", "rest_s"),
    CELLS,
    ids=[f"{fault}-{moment}" for fault, moment, *_ in CELLS],
)
def test_the_fault_ends_as_the_table_says(fault, moment, words, bound_s, rest_s):
    result = try_fault(*read_fault(fault), MOMENTS[moment])
    assert result.words == words
    assert result.took_s <= bound_s
    assert result.rested_s <= rest_s
    assert result.late_calls[-1:] in ((), ("StopMove",))  # what a slow link still brings


def test_the_table_has_every_fault():
    assert {read_fault(fault)[0] for fault, *_ in CELLS} == set(FAULT_NAMES)
