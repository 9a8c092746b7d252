"""docs/teach-a-skill.md from its first command to the mock dog that does the new skill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path("examples/push-ups")
ENOUGH_S = 3600
LINES = ("give me three push-ups", "sit down please", "俯卧撑一天做多少个好", "狗狗，做几个俯卧撑")


def run(*arguments: str, **settings: str) -> None:
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, **settings}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=ENOUGH_S, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
def test_a_taught_dog_does_the_new_skill_and_the_old_ones(tmp_path: Path) -> None:
    bundle, report = tmp_path / "bundle", tmp_path / "report.jsonl"
    places = ("--out", str(bundle), "--run", str(tmp_path / "run"))
    run("cloud_server", "teach", str(EXAMPLE), *places)
    script = tmp_path / "script.jsonl"
    script.write_text("".join(json.dumps({"text": text}) + "\n" for text in LINES))
    run(
        *("edge_agent", "simulate", "--script", str(script), "--report", str(report)),
        EDGE_SKILLS=str(EXAMPLE),
        EDGE_BUNDLE=str(bundle),
        EDGE_DEADLINE_S="120",
    )
    outcomes = [json.loads(line) for line in report.read_text().splitlines()]
    skills = [outcome["execution"]["skill"] for outcome in outcomes]
    assert skills == ["PushUps", "Sit", None, "PushUps"]
    assert [outcomes[n]["execution"]["state"] for n in (0, 1, 3)] == ["confirmed"] * 3
    calls = [call["name"] for call in outcomes[3]["execution"]["calls"]]
    assert calls[:2] == ["RiseSit", "BalanceStand"], "it sat, and is brought onto its legs first"
    assert calls.count("StandDown") == calls.count("StandUp") == 3
