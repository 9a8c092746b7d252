"""The mock's HTTP side without DDS, and its process as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from edge_agent.free_places import choose_domain
from edge_agent.mock_robot.faults import FAULT_NAMES
from edge_agent.mock_robot.peer import MockGo2
from edge_agent.mock_robot.server import PAGE_FOLDER, ViewPlace, make_app
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
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "俯视" in page.text
    named = re.findall(r'"(/page/[^"]+[^/])"', page.text)
    assert named
    assert all(client.get(path).status_code == 200 for path in named)


def test_the_pages_parts_import_only_what_is_there(client):
    """What comes from the vendor is named in the import map, the rest lies in the folder."""
    for part in PAGE_FOLDER.glob("*.js"):
        for name in re.findall(r'(?:from|import\()\s*"([^"]+)"', part.read_text(encoding="utf-8")):
            if name.startswith("./"):
                assert (PAGE_FOLDER / name).is_file(), (part.name, name)
            else:
                assert name in ("three", "three/addons/OrbitControls.js"), (part.name, name)


def test_every_fault_has_a_button_a_name_and_an_explanation_in_chinese():
    words = (PAGE_FOLDER / "words.js").read_text(encoding="utf-8")
    for name in FAULT_NAMES:
        assert len(re.findall(rf"\b{name}: \"", words)) >= 2, name


def test_a_fault_is_switched_on_and_off(client, dog):
    def entry(name):
        return {each["fault"]: each for each in client.get("/faults").json()["faults"]}[name]

    assert not entry("low_battery")["on"]
    assert client.post("/faults", json={"fault": "low_battery", "percent": 7.0}).json()["on"]
    assert entry("low_battery")["parameters"] == {"percent": 7.0}
    assert client.get("/v1/state").json()["battery_percent"] == 7.0
    client.post("/faults", json={"fault": "silent", "on": True})
    assert dog.take("sport", 1009, "{}") is None
    assert all(not each["on"] for each in client.delete("/faults").json()["faults"])
    assert client.get("/v1/state").json()["battery_percent"] > 90.0


def test_a_wrong_fault_is_refused_with_a_reason(client):
    refused = client.post("/faults", json={"fault": "tired"})
    assert refused.status_code == 422
    assert refused.json()["code"] == "request_invalid"
    assert "low_battery" in refused.json()["message"]


def test_calls_of_every_service_are_listed_when_asked_for(client, dog):
    dog.take("vui", 1004, "{}")
    dog.take("sport", 1009, "{}")
    names = [call["name"] for call in client.get("/v1/calls?service=all").json()["calls"]]
    assert names == ["GetVolume", "Sit"]
    assert [call["name"] for call in client.get("/v1/calls").json()["calls"]] == ["Sit"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_sites_page_cannot_break_the_dog(client, dog, headers, method):
    refused = client.request(method, "/faults", json={"fault": "dead"}, headers=headers)
    assert refused.status_code == 403
    assert not any(each["on"] for each in dog.faults.describe())


def test_a_wider_bind_needs_the_token_for_all_but_the_page(dog):
    token = SecretStr("woof-woof-woof")
    app = make_app(dog, ViewPlace("0.0.0.0", token))
    phone = TestClient(app, base_url="http://192.168.1.9:8070")
    assert phone.get("/").status_code == 200
    assert phone.get("/page/main.js").status_code == 200
    for path in ("/v1/state", "/v1/calls", "/faults"):
        assert phone.get(path).status_code == 401
    assert phone.post("/faults", json={"fault": "dead"}).status_code == 401
    headers = {"Authorization": "Bearer woof-woof-woof"}
    assert phone.post("/faults", json={"fault": "dead"}, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.9:8000"])
def test_other_hosts_names_are_refused(client, host):
    refused = client.get("/v1/state", headers={"host": host})
    assert refused.status_code == 403
    assert refused.json()["code"] == "forbidden"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.0.0.2"])
def test_loopback_is_taken(host):
    assert ViewPlace(host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.123.18", "dog.local"])
def test_wider_binds_are_refused_without_a_token(host):
    with pytest.raises(ConfigurationError, match="EDGE_PAIRING_TOKEN"):
        ViewPlace(host)


def test_a_second_mock_in_a_served_domain_refuses_and_the_first_ends_cleanly():
    domain = choose_domain()
    code = f"from edge_agent.mock_robot.server import run; run({domain}, 'lo', '127.0.0.1', 0)"
    first = _start(code)
    second = None
    try:
        assert first.stdout is not None
        assert "ready" in first.stdout.readline()
        # It may take a busy machine a while to hear the first.
        second = _start(f"from edge_agent.mock_robot import peer; peer.PROBE_S = 60.0; {code}")
        output, errors = second.communicate(timeout=60)
        assert second.returncode != 0
        assert "ready" not in output
        assert "already answers" in errors
    finally:
        if second is not None:
            second.kill()
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
