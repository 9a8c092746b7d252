"""Robot and agent in two network namespaces on a bridge, as two containers are: DDS really crosses it."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy/rehearse_bridge.sh"
MAY_NOT = 77
ENOUGH_S = 300


def rehearse(*command: str) -> Any:
    done = subprocess.run(
        [SCRIPT, sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=ENOUGH_S,
        check=False,
    )
    if done.returncode == MAY_NOT:
        pytest.skip("this machine may not make network namespaces")
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_driver_reaches_a_robot_beyond_the_bridge() -> None:
    execution = rehearse(sys.executable, str(Path(__file__).with_name("bridge_driver.py")))
    assert execution["state"] == "confirmed"
    assert "Sit" in [call["name"] for call in execution["calls"]]


@pytest.mark.skipif(
    not version("cyclonedds").startswith("0.10."),
    reason="an agent drives a real interface on cyclonedds 0.10 only: make test-dds-0.10",
)
def test_an_agent_drives_it_as_a_real_dog() -> None:
    outcome = rehearse()
    assert [outcome["tag"], outcome["route"]] == ["[Sit()]", "edge"]
    assert outcome["execution"]["state"] == "confirmed"
