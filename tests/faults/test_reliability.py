"""Cloud faults against robot faults at each moment, as docs/reliability.md tells them.

`make test` tries each fault of either side with a sound other side and with a dead one; the slow test tries
every cell, as `make faults` does.
"""

import pytest

from edge_agent.mock_robot.faults import FAULT_NAMES
from tests.faults.fault_proxy import BREAKS
from tests.faults.reliability import (
    CLOUD_FAULTS,
    MOMENTS,
    PAGE,
    ROBOT_FAULTS,
    key_of,
    read_cells,
    try_cell,
)
from tests.faults.reliability_page import render

STATED = read_cells()
SOME = [(cloud, "none") for cloud in CLOUD_FAULTS]
SOME += [
    (cloud, robot) for cloud in ("none", "silent") for robot in ROBOT_FAULTS if robot != "none"
]


def check(cloud: str, robot: str) -> None:
    for moment in MOMENTS:
        cell = try_cell(cloud, robot, moment)
        assert not cell.wrong, (moment, cell)
        assert cell == STATED[key_of(cloud, robot, moment)], "make faults"


@pytest.mark.parametrize(("cloud", "robot"), SOME)
def test_the_faults_end_as_stated(cloud: str, robot: str) -> None:
    check(cloud, robot)


@pytest.mark.slow
@pytest.mark.parametrize("robot", ROBOT_FAULTS)
@pytest.mark.parametrize("cloud", CLOUD_FAULTS)
def test_every_pair_of_faults_ends_as_stated(cloud: str, robot: str) -> None:
    check(cloud, robot)


def test_every_fault_of_the_proxy_is_in_the_table() -> None:
    assert set(CLOUD_FAULTS) >= set(BREAKS)
    assert set(ROBOT_FAULTS) - {"none"} <= set(FAULT_NAMES)
    assert len(STATED) == len(CLOUD_FAULTS) * len(ROBOT_FAULTS) * len(MOMENTS)


def test_the_page_is_what_the_cells_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(STATED), "make faults"
