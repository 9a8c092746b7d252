"""Shows a lost replica on this machine: two replicas, conversations on both, one killed in the middle.

Every session has its conversation twice, once undisturbed and once while a replica gets SIGKILL with
answers under way. Nothing is lost where every request is answered and every answer is the same. Run it
with `make ray-failover`; it exits with 1 where anything differs.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve

from cloud_server.settings import CloudSettings
from deploy.ray.replicas import build

TURNS = ("Who are you?", "What did I just ask?", "And before that?", "Tell me more.")
DISTURBED_TURN = 1
"""The second one: what it is answered depends on the first, which the lost replica may have seen."""
WAIT_S = 300.0
DEADLINE_MS = 120_000


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def replica_pids() -> list[int]:
    """Return the processes of the replicas on this machine, by Ray's names for them."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if command.startswith(b"ray::ServeReplica:default:shadowdog"):
            found.append(int(place.parent.name))
    return sorted(found)


@contextmanager
def replicas(settings: CloudSettings, count: int) -> Iterator[str]:
    """Run the replicas under a Ray of their own, and give their address."""
    port = free_port()
    ray.init(num_cpus=count + 1, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(build(settings, count), name="default", route_prefix="/")
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


@contextmanager
def front_end(upstream: str, profile: str, sessions: int) -> Iterator[tuple[str, int]]:
    """Run `cloud-server serve` before the replicas; give its address and process once it is ready."""
    port = free_port()
    environment = {
        **os.environ,
        "CLOUD_UPSTREAM_URL": upstream,
        "CLOUD_PROFILE": profile,
        "CLOUD_PORT": str(port),
        "CLOUD_MAX_ACTIVE": str(sessions),
        "CLOUD_LOG_LEVEL": os.environ.get("CLOUD_LOG_LEVEL", "warning"),
    }
    process = subprocess.Popen([sys.executable, "-m", "cloud_server", "serve"], env=environment)
    try:
        yield _when_ready(f"http://127.0.0.1:{port}", process), process.pid
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _when_ready(address: str, process: "subprocess.Popen[bytes]") -> str:
    until_s = time.monotonic() + WAIT_S
    while process.poll() is None and time.monotonic() < until_s:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return address
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the front end did not become ready")


async def converse(
    client: httpx.AsyncClient,
    name: str,
    sessions: int,
    max_tokens: int,
    kill_after_s: float | None = None,
) -> dict[str, Any]:
    """Have all sessions' conversations side by side; return answers, and what the kill came upon."""
    answers: list[list[Any]] = [[] for _ in range(sessions)]
    slowest_s: list[float] = []
    victim: dict[str, Any] = {}

    async def ask(session: int, turn: int) -> None:
        body = {
            "request_id": f"{name}-{session}-{turn}",
            "robot_id": f"dog-{session}",
            "session_id": name,
            "text": f"{TURNS[turn]} ({session})",
            "lang": "en",
            "max_tokens": max_tokens,
        }
        headers = {"Shadowdog-Deadline-Ms": str(DEADLINE_MS)}
        response = await client.post("/v1/intents", json=body, headers=headers)
        reply = response.json()
        answers[session].append(
            (response.status_code, reply.get("say"), reply.get("finish_reason"), reply.get("usage"))
        )

    for turn in range(len(TURNS)):
        began_s = time.monotonic()
        killer = None
        if kill_after_s is not None and turn == DISTURBED_TURN:
            killer = asyncio.create_task(_kill_one(client, sessions, kill_after_s))
        await asyncio.gather(*(ask(session, turn) for session in range(sessions)))
        slowest_s.append(round(time.monotonic() - began_s, 2))
        if killer is not None:
            victim = await killer
    return {"answers": answers, "turn_s": slowest_s, **victim}


async def _kill_one(client: httpx.AsyncClient, sessions: int, after_s: float) -> dict[str, Any]:
    """Kill a replica while all sessions' answers are under way and their first tokens told."""
    while await figure(client, "active_requests") < sessions:
        await asyncio.sleep(0.01)
    await asyncio.sleep(after_s)
    victim, active = replica_pids()[0], await figure(client, "active_requests")
    os.kill(victim, signal.SIGKILL)
    return {"killed_pid": victim, "under_way": int(active)}


async def figure(client: httpx.AsyncClient, name: str) -> float:
    """Return one of the front end's figures."""
    text = (await client.get("/metrics")).text
    prefix = f"shadowdog_cloud_{name} "
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(prefix))


def processor_s(pid: int) -> float:
    """Return the seconds that a process has computed."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


async def _show(address: str, pid: int, sessions: int, max_tokens: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=WAIT_S, limits=limits) as client:
        began_s, told = processor_s(pid), await figure(client, "completion_tokens_total")
        calm = await converse(client, "calm", sessions, max_tokens)
        told = await figure(client, "completion_tokens_total") - told
        front_end_ms = 1000 * (processor_s(pid) - began_s) / told
        before = replica_pids()
        third_s = calm["turn_s"][DISTURBED_TURN] / 3
        disturbed = await converse(client, "disturbed", sessions, max_tokens, third_s)
        resumed = await figure(client, "resumed_answers_total")
    pairs = list(zip(calm["answers"], disturbed["answers"], strict=True))
    return {
        "requests": sessions * len(TURNS),
        "answered": sum(each[0] == 200 for _, ours in pairs for each in ours),
        "same_as_undisturbed": sum(
            one == other for theirs, ours in pairs for one, other in zip(theirs, ours, strict=True)
        ),
        "resumed": int(resumed),
        "under_way_at_the_kill": disturbed["under_way"],
        "killed_pid": disturbed["killed_pid"],
        "replicas_before": before,
        "turn_s_undisturbed": calm["turn_s"],
        "turn_s_with_the_kill": disturbed["turn_s"],
        "front_end_ms_a_token": round(front_end_ms, 3),
    }


def show(profile: str, count: int, sessions: int, max_tokens: int) -> dict[str, Any]:
    """Run it all; the report says what was asked, answered, the same, and resumed."""
    settings = CloudSettings.from_environment(
        profile=profile, precision="fp32", completions=True, threads=1, max_active=sessions
    )
    with replicas(settings, count) as upstream, front_end(upstream, profile, sessions) as front:
        return asyncio.run(_show(*front, sessions, max_tokens))


def main() -> int:
    """Print the report; 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="tiny", choices=["tiny", "gemma-270m"])
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=120)
    given = parser.parse_args()
    report = show(given.profile, given.replicas, given.sessions, given.max_tokens)
    for name, value in report.items():
        print(f"{name:24} {value}")
    print(json.dumps(report))
    whole = report["answered"] == report["same_as_undisturbed"] == report["requests"]
    return 0 if whole and report["resumed"] else 1


if __name__ == "__main__":
    sys.exit(main())
