"""The agent as a service: what a real process tells its manager from start to stop."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.settings import default_bundle

ENOUGH_S = 120


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[tuple[ChildProcess, int]]:
    domain, port = choose_domain(), choose_port(0, set())
    place = ["--domain", str(domain), "--port", str(port)]
    child = ChildProcess(
        "mock robot",
        ["edge_agent", "mock-robot", *place],
        child_environment(os.environ, {}),
        tmp_path / "mock.log",
    )
    child.wait_until_ready(f"http://127.0.0.1:{port}/healthz", ENOUGH_S)
    yield child, domain
    child.end()


def test_systemd_hears_of_the_start_of_life_and_of_the_end(
    mock: tuple[ChildProcess, int], tmp_path: Path
) -> None:
    prepare_base()
    prepare_bundle(default_bundle())
    address = tmp_path / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(address))
    manager.settimeout(ENOUGH_S)
    port = choose_port(0, set())
    given = {
        "EDGE_PORT": str(port),
        "EDGE_SIMULATION": "true",
        "EDGE_ROBOT_INTERFACE": "lo",
        "EDGE_ROBOT_DOMAIN": str(mock[1]),
        "EDGE_VOICE": "text",
        "EDGE_JOURNAL": str(tmp_path / "journal.jsonl"),
        "EDGE_BUNDLE_MISMATCH": "ignore",
        "NOTIFY_SOCKET": str(address),
        "WATCHDOG_USEC": "400000",
    }
    environment = child_environment(os.environ, given)
    agent = ChildProcess("agent", ["edge_agent", "run"], environment, tmp_path / "agent.log")
    try:
        heard = manager.recv(4096).decode().splitlines()
        assert heard == ["READY=1", f"STATUS=listening on http://127.0.0.1:{port}"]
        agent.wait_until_ready(f"http://127.0.0.1:{port}/healthz", ENOUGH_S)
        assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        agent.ask_to_end()
        while (last := manager.recv(4096)) == b"WATCHDOG=1":
            pass
        assert last.decode().splitlines()[0] == "STOPPING=1"
    finally:
        agent.end()
        manager.close()
