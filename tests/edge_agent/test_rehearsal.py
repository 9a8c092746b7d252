"""Rehearsals as processes: one mock and one driver each, over real DDS in domains of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.rehearsal import Rehearsal, render
from shared.outcome import Call, Execution
from shared.skills import SKILL_NAMES

ROOT = Path(__file__).parents[2]
BOUND_S = 900


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "edge_agent", "rehearse", *arguments, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    output, errors = process.communicate(timeout=BOUND_S)
    assert output, errors
    results: list[dict[str, Any]] = json.loads(output)
    assert (process.returncode == 0) == all(each["as_declared"] for each in results)
    return results


def names(result: dict[str, Any]) -> list[str]:
    return [call["name"] for call in result["calls"]]


def test_two_dogs_at_once_hear_each_their_own_driver():
    first = start("Sit", "--from", "lying")
    assert first.stderr is not None
    while "DDS domain" not in (line := first.stderr.readline()):  # its domain is taken by now
        assert line, first.communicate()
    second = start("StandDown", "--from", "sitting")
    try:
        [sat], [lay] = finish(first), finish(second)
    finally:
        for each in (first, second):
            each.kill()
    assert (sat["as_declared"], sat["end"]["posture"]) == (True, "sitting")
    assert names(sat) == ["StandUp", "BalanceStand", "Sit"]
    assert (lay["as_declared"], lay["end"]["posture"]) == (True, "lying")
    assert names(lay) == ["RiseSit", "StopMove", "StandDown"]


@pytest.mark.slow
@pytest.mark.parametrize("posture", ["standing", "sitting", "lying"])
def test_every_skill_ends_in_its_declared_state_over_dds(posture):
    results = finish(start("--from", posture, "--speed", "3"))
    assert [each["skill"] for each in results] == list(SKILL_NAMES)
    wrong = [
        (each["skill"], each["state"], each["reason"], each["end"])
        for each in results
        if not each["as_declared"]
    ]
    assert wrong == []
    assert all(each["calls"] for each in results)


@pytest.mark.parametrize(
    ("state", "posture", "moving", "as_declared"),
    [
        ("confirmed", "sitting", False, True),
        ("confirmed", "standing", False, False),
        ("confirmed", "sitting", True, False),
        ("failed", "sitting", False, False),
    ],
)
def test_a_rehearsal_says_whether_it_ended_as_declared(state, posture, moving, as_declared):
    call = Call(api_id=1008, name="Move", parameter={"x": 0.2}, code=None, at_ms=1500.0)
    rehearsal = Rehearsal(
        skill="Sit",
        start="lying",
        execution=Execution(state=state, skill="Sit", calls=[call]),
        states=("sent", "accepted"),
        declared_end="sitting",
        end_posture=posture,
        end_moving=moving,
        took_s=3.2,
        duration_s=2.0,
    )
    assert rehearsal.as_declared is as_declared
    assert rehearsal.describe()["as_declared"] is as_declared
    text = render(rehearsal)
    assert ("NOT as declared" in text) is not as_declared
    assert "sent → accepted" in text
    assert "1.50 s  Move (1008) x=0.2  no reply" in text
