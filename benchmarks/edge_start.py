"""How soon a started agent is ready, and how much memory it holds: against a mock robot, no cloud.

The agent is started several times, the first time to warm the file cache. Prints a table for people,
then one line of JSON. Seconds do not travel between machines.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_agent.agent_client import AgentClient
from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.settings import default_bundle

ROOT = Path(__file__).resolve().parents[1]
UTTERANCES = ("sit down", "起立", "do it again", "stop")
READY_TIMEOUT_S = 60.0


def memory_mb(process_id: int, field: str) -> float:
    """Return a field of /proc's status of a process, in MB."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit(f"no {field} in /proc/{process_id}/status")


def measure_start(folder: Path, domain: int) -> dict[str, float]:
    """Start an agent, wait until it is ready, say a few things, and end it."""
    port = choose_port(8080, set())
    given = {
        "EDGE_PORT": str(port),
        "EDGE_BUNDLE": str(default_bundle()),
        "EDGE_ROBOT_INTERFACE": "lo",
        "EDGE_ROBOT_DOMAIN": str(domain),
        "EDGE_SIMULATION": "true",
        "EDGE_CLOUD_URL": "http://127.0.0.1:9",
        "EDGE_VOICE": "text",
        "EDGE_EARS": "text",  # the speech model loads beside everything else and is measured apart
        "EDGE_JOURNAL": str(folder / "journal.jsonl"),
    }
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    agent = ChildProcess(
        "agent", ["edge_agent", "run"], child_environment(os.environ, given), folder / "agent.log"
    )
    try:
        agent.wait_until_ready(f"{url}/healthz", READY_TIMEOUT_S)
        ready_s = time.perf_counter() - began
        with AgentClient(url, None) as client:
            for text in UTTERANCES:
                client.say(text, None)
        return {
            "ready_s": ready_s,
            "resident_mb": memory_mb(agent.pid, "VmRSS"),
            "peak_mb": memory_mb(agent.pid, "VmHWM"),
        }
    finally:
        agent.end()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="15 starts instead of 5")
    starts = 15 if parser.parse_args().full else 5
    subprocess.run([sys.executable, "-m", "cloud_server", "export-edge", "--if-needed"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, domain = Path(scratch), choose_domain()
        port = choose_port(8070, set())
        place = ["--domain", str(domain), "--interface", "lo", "--port", str(port)]
        mock = ChildProcess(
            "mock robot",
            ["edge_agent", "mock-robot", *place],
            child_environment(os.environ, {}),
            folder / "mock.log",
        )
        try:
            mock.wait_until_ready(f"http://127.0.0.1:{port}/healthz", READY_TIMEOUT_S)
            rounds = [measure_start(folder, domain) for _ in range(starts + 1)][1:]
        finally:
            mock.end()
    for each in rounds:
        print("  ".join(f"{name} {value:8.2f}" for name, value in each.items()))
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    largest = {f"{name}_max": max(each[name] for each in rounds) for name in rounds[0]}
    print(json.dumps({"benchmark": "edge_start", **median, **largest, "n": len(rounds)}))


if __name__ == "__main__":
    main()
