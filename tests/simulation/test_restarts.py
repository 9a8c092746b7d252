"""Each process killed and started again under the others, with real processes, DDS and HTTP.

The cloud runs the tiny profile, whose answers mean nothing: here only who is there counts.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.preparation import prepare_bundle
from edge_agent.settings import EdgeSettings, default_bundle
from edge_agent.simulation import Simulation, SimulationOptions, cloud_environment
from shared.outcome import Outcome

PATIENCE_S = 90.0
"""Only ends a test that hangs; nothing is asserted about the machine's speed."""


@pytest.fixture(scope="module")
def simulation(own_places: Callable[[], SimulationOptions]) -> Iterator[Simulation]:
    prepare_bundle(default_bundle())
    settings = EdgeSettings.from_environment(
        host="127.0.0.1", simulation=True, robot_interface="lo", confirm_dangerous=False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUD_PROFILE", "tiny")
        patch.setenv("EDGE_VOICE", "text")
        with Simulation(own_places(), settings) as simulation:
            yield simulation


def child(simulation: Simulation, name: str) -> ChildProcess:
    return next(each for each in simulation._children if each.name == name)


def kill(simulation: Simulation, name: str) -> Callable[[], None]:
    """Kill a process at once; return what starts it again, as it was."""
    restart = restarter(simulation, name)
    process = child(simulation, name)._process
    process.kill()
    process.wait()
    return restart


def restarter(simulation: Simulation, name: str) -> Callable[[], None]:
    """Return what starts a process that lives now again, as it is, once it has ended."""
    process = child(simulation, name)._process
    given = environment_of(process.pid)
    command = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]

    def restart() -> None:
        simulation._children.remove(child(simulation, name))
        log = simulation.logs / f"{name.replace(' ', '-')}-again.log"
        begun = ChildProcess(name, command[2:], given, log)
        simulation._children.append(begun)
        path = {"cloud": "/readyz"}.get(name, "/healthz")
        url = {
            "cloud": simulation.cloud_url,
            "agent": simulation.agent_url,
            "mock robot": simulation.mock_url,
        }[name]
        begun.wait_until_ready(f"{url}{path}", PATIENCE_S)

    return restart


def environment_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait for a condition; asserts that it comes at all, not how soon."""
    gives_up_at = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < gives_up_at, what
        time.sleep(0.05)
    return found


def journal(simulation: Simulation) -> list[dict[str, Any]]:
    lines = (simulation.logs / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def say_until(simulation: Simulation, text: str, holds: Callable[[Outcome], bool]) -> Outcome:
    return until(
        lambda: outcome if holds(outcome := simulation.agent.say(text)) else None, f"never: {text}"
    )


def test_the_cloud_is_killed_and_comes_back(simulation: Simulation) -> None:
    assert simulation.agent.say("What's the weather like today?").route == "cloud"
    restart = kill(simulation, "cloud")
    question = simulation.agent.say("今天天气怎么样")
    assert (question.route, question.execution.skill) == ("offline", None)
    assert question.say
    say_until(simulation, "坐下", lambda outcome: outcome.execution.state == "confirmed")
    restart()
    # The breaker lets one question through every ten seconds.
    answered = say_until(simulation, "今天天气怎么样", lambda outcome: outcome.route == "cloud")
    assert answered.execution.skill is None
    kept = httpx.get(f"{simulation.agent_url}/v1/outbox", timeout=PATIENCE_S).json()["unanswered"]
    assert question.request_id in [each["request_id"] for each in kept]
    late = simulation.agent.answer_late(question.request_id)
    assert (late.route, late.execution.calls) == ("cloud", [])


def test_a_cloud_told_to_end_finishes_its_answer_and_takes_no_more(simulation: Simulation) -> None:
    restart = restarter(simulation, "cloud")
    process = child(simulation, "cloud")._process
    key = environment_of(process.pid)["CLOUD_API_KEYS"]
    asked: dict[str, Any] = {
        "messages": [{"role": "user", "content": "Tell me a long story."}],
        "max_tokens": 128,
        "stream": True,
    }
    with httpx.Client(base_url=simulation.cloud_url, timeout=PATIENCE_S) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        asked["model"] = client.get("/v1/models").json()["data"][0]["id"]
        with client.stream("POST", "/v1/chat/completions", json=asked) as stream:
            assert stream.status_code == 200
            lines = stream.iter_lines()
            first = next(line for line in lines if line.startswith("data: "))
            os.kill(process.pid, signal.SIGTERM)
            said = [first, *(line for line in lines if line)]
    assert said[-1] == "data: [DONE]"
    reasons = [json.loads(line[6:])["choices"][0]["finish_reason"] for line in said[:-1]]
    assert reasons[-1] in ("stop", "length")
    assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM)  # uvicorn raises the signal again
    assert simulation.agent.say("今天天气怎么样").route == "offline"
    say_until(simulation, "坐下", lambda outcome: outcome.execution.state == "confirmed")
    restart()
    say_until(simulation, "今天天气怎么样", lambda outcome: outcome.route == "cloud")


def test_the_robot_is_killed_in_motion_and_comes_back(simulation: Simulation) -> None:
    simulation.settle()
    said: list[Outcome] = []
    dancing = threading.Thread(target=lambda: said.append(simulation.agent.say("转个圈")))
    dancing.start()
    until(lambda: simulation.mock_state()["moving"], "it never moves")
    restart = kill(simulation, "mock robot")
    dancing.join(PATIENCE_S)
    assert said[0].execution.state == "failed"
    assert said[0].execution.reason in ("state_stale", "robot_unavailable")
    refused = simulation.agent.say("坐下")
    assert (refused.execution.state, refused.execution.calls) == ("refused", [])
    restart()
    say_until(simulation, "坐下", lambda outcome: outcome.execution.state == "confirmed")


def test_the_agent_is_killed_in_motion_and_comes_back(simulation: Simulation) -> None:
    simulation.settle()
    before = [each["request_id"] for each in journal(simulation)]
    dancing = threading.Thread(target=_say_to_a_dying_agent, args=(simulation, "转个圈"))
    dancing.start()
    until(lambda: simulation.mock_state()["moving"], "it never moves")
    restart = kill(simulation, "agent")
    # Nobody stops the dog now: Move dies in it by itself.
    until(lambda: not simulation.mock_state()["moving"], "the dog walks on without its agent")
    dancing.join(PATIENCE_S)
    restart()
    # Whole to its last line, and what was heard before is not done again.
    assert [each["request_id"] for each in journal(simulation)][: len(before)] == before
    calls = len(simulation.mock_calls())
    assert not simulation.mock_state()["moving"]
    say_until(simulation, "坐下", lambda outcome: outcome.execution.state == "confirmed")
    assert "Move" not in [call["name"] for call in simulation.mock_calls()[calls:]]


def _say_to_a_dying_agent(simulation: Simulation, text: str) -> None:
    try:
        httpx.post(f"{simulation.agent_url}/v1/utterances", json={"text": text}, timeout=PATIENCE_S)
    except httpx.TransportError:
        return


def test_a_stopped_agent_stops_the_dog_and_answers_first(simulation: Simulation) -> None:
    """Last, since it ends the agent in order."""
    simulation.settle()
    simulation.agent.say("okay, on your feet")
    said: list[Outcome] = []
    events: list[str] = []
    dancing = threading.Thread(target=lambda: said.append(simulation.agent.say("转个圈")))
    dancing.start()
    until(lambda: simulation.mock_state()["moving"], "it never moves")
    with httpx.stream("GET", f"{simulation.agent_url}/v1/events", timeout=PATIENCE_S) as stream:
        os.kill(child(simulation, "agent").pid, signal.SIGTERM)
        events += stream.iter_lines()  # ends: the stream is drained, not cut
    dancing.join(PATIENCE_S)
    assert said[0].execution.state == "preempted"
    assert not simulation.mock_state()["moving"]
    assert simulation.mock_calls()[-1]["name"] == "StopMove"
    until(lambda: not child(simulation, "agent").alive(), "it never ends")
    assert child(simulation, "agent")._process.returncode == 0


# --- what keeps a process from starting -------------------------------------------------------------


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = child_environment(
        cloud_environment(os.environ, "a-key-of-enough-characters"), environment
    )
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, env=given, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


@pytest.fixture
def port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield str(taken.getsockname()[1])


def test_a_taken_port_is_told(port: str) -> None:
    assert_refused(run("edge_agent", "run", "--port", port), "EDGE_PORT", port)
    mock = run("edge_agent", "mock-robot", "--port", port, "--domain", "99")
    assert_refused(mock, port, "give another --port")
    cloud = run("cloud_server", "serve", "--port", port, CLOUD_PROFILE="tiny")
    assert_refused(cloud, "CLOUD_PORT", port)


NOWHERE = "/proc/shadowdog"
"""A place where nobody, not even root, can make a file: a home that is read-only."""


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    for name, path in (("EDGE_JOURNAL", f"{NOWHERE}/j"), ("EDGE_OUTBOX", f"{NOWHERE}/o")):
        given = {
            "EDGE_JOURNAL": str(tmp_path / "j"),
            "EDGE_OUTBOX": str(tmp_path / "o"),
            "EDGE_PORT": str(_free_port()),
            "EDGE_SIMULATION": "true",
            "EDGE_ROBOT_INTERFACE": "lo",
            name: path,
        }
        assert_refused(run("edge_agent", "run", **given), name, path)
    export = run("cloud_server", "export-edge", "--if-needed", SHADOWDOG_CACHE=NOWHERE)
    assert export.returncode != 0
    assert NOWHERE in export.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
