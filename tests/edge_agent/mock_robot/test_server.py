"""The mock's HTTP side without DDS, and its process as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from edge_agent.free_places import choose_domain
from edge_agent.mock_robot.peer import MockGo2
from edge_agent.mock_robot.server import check_loopback, make_app
from shared.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def dog() -> MockGo2:
    return MockGo2(1, "lo", unsupported=frozenset({1022}))


@pytest.fixture
def client(dog: MockGo2) -> TestClient:
    return TestClient(make_app(dog), base_url="http://127.0.0.1:8000")


def test_state_and_health(client):
    assert client.get("/healthz").json()["status"] == "ok"
    state = client.get("/v1/state").json()
    assert state["posture"] == "standing"
    assert {"position_m", "yaw_total_rad", "mode", "battery_percent", "moving"} <= set(state)


def test_every_call_is_logged_with_its_code(client, dog):
    assert dog.take("sport", 1009, "{}") == (0, "")
    assert dog.take("sport", 1022, "{}")[0] == 3203
    assert dog.take("sport", 1021, "{}")[0] == 3203
    assert dog.take("sport", 1008, '{"x": NaN}')[0] == 3204
    answer = client.get("/v1/calls").json()
    assert [(call["name"], call["code"]) for call in answer["calls"]] == [
        ("Sit", 0),
        ("Dance1", 3203),
        ("Wallow", 3203),
        ("Move", 3204),
    ]
    assert answer["total"] == 4
    assert [call["name"] for call in client.get("/v1/calls?after=3").json()["calls"]] == ["Move"]
    assert len(client.get("/v1/calls?limit=2").json()["calls"]) == 2


def test_a_value_that_is_no_json_is_logged_readably(client, dog):
    dog.take("sport", 1008, '{"x": NaN, "y": 0, "z": 0}')
    assert client.get("/v1/calls").json()["calls"][0]["parameter"]["x"] == "NaN"


def test_the_page_is_self_contained(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "俯视" in page.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.9:8000"])
def test_other_hosts_names_are_refused(client, host):
    refused = client.get("/v1/state", headers={"host": host})
    assert refused.status_code == 403
    assert refused.json()["code"] == "forbidden"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.0.0.2"])
def test_loopback_is_taken(host):
    check_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.123.18", "dog.local"])
def test_wider_binds_are_refused(host):
    with pytest.raises(ConfigurationError):
        check_loopback(host)


def test_a_second_mock_in_a_served_domain_refuses_and_the_first_ends_cleanly():
    domain = choose_domain()
    code = f"from edge_agent.mock_robot.server import run; run({domain}, 'lo', '127.0.0.1', 0)"
    first = _start(code)
    try:
        assert first.stdout is not None
        assert "ready" in first.stdout.readline()
        second = _start(code)
        output, errors = second.communicate(timeout=60)
        assert second.returncode != 0
        assert "ready" not in output
        assert "already answers" in errors
    finally:
        first.terminate()
        first.communicate(timeout=60)
    assert first.returncode == 0


def _start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
