"""docker-compose.yml and what it mounts: the schema, every setting, hardening, and the order of the start."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from cloud_server.settings import CloudSettings
from edge_agent.guard import Guard
from edge_agent.settings import EdgeSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SETTINGS = {"CLOUD": CloudSettings, "EDGE": EdgeSettings}
OURS = ("cloud", "prepare", "mock-robot", "agent", "robot")
PROFILES = {
    None: {"prepare", "cloud", "mock-robot", "agent"},
    "robot": {"robot"},
    "tls": {"tls-proxy"},
    "metrics": {"prometheus", "grafana"},
    "gpu": {"vllm"},
}
SECRETS = {
    "SHADOWDOG_PAIRING_TOKEN": "a-secret-of-enough-characters",
    "SHADOWDOG_CLOUD_KEY": "another-secret",
    "SHADOWDOG_GRAFANA_PASSWORD": "a-third",
}


def substitute(given: Any) -> Any:
    """Put in what docker compose would, with the secrets set and nothing else."""
    if isinstance(given, dict):
        return {key: substitute(value) for key, value in given.items()}
    if isinstance(given, list):
        return [substitute(value) for value in given]
    if not isinstance(given, str):
        return given

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(":")
        return SECRETS.get(name, default[1:] if default.startswith("-") else "")

    return re.sub(r"\$\{([^}]*)\}", value, given)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = substitute(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def test_the_file_is_valid_by_the_compose_specifications_schema() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_profile_has_its_services(services: dict[str, Any]) -> None:
    found: dict[str | None, set[str]] = {}
    for name, service in services.items():
        for profile in service.get("profiles", [None]):
            found.setdefault(profile, set()).add(name)
    assert found == PROFILES


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    for name in OURS:
        for variable in services[name].get("environment", {}):
            prefix, _, field = variable.partition("_")
            assert field.lower() in SETTINGS[prefix].model_fields, f"{name}: {variable}"


def test_the_settings_are_accepted(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for variable, value in services["agent"]["environment"].items():
            patch.setenv(variable, value)
        agent = EdgeSettings.from_environment()
    assert agent.simulation
    command = services["mock-robot"]["command"]
    assert agent.robot_domain == int(command[command.index("--domain") + 1])
    with monkeypatch.context() as patch:
        for variable, value in services["robot"]["environment"].items():
            patch.setenv(variable, value)
        robot = EdgeSettings.from_environment()
    assert not robot.dangerous_allowed
    with monkeypatch.context() as patch:
        for variable, value in services["cloud"]["environment"].items():
            patch.setenv(variable, str(value))
        cloud = CloudSettings.from_environment()
    assert [key.get_secret_value() for key in cloud.api_keys] == [SECRETS["SHADOWDOG_CLOUD_KEY"]]


def test_without_secrets_nothing_starts() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for name in SECRETS:
        assert re.findall(rf"\$\{{{name}[:}}?]*", text) == [
            f"${{{name}:?" for _ in range(text.count(f"${{{name}"))
        ]


def test_every_container_is_hardened_and_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert "privileged" not in service, name
        for mount in service.get("tmpfs", []):
            assert "size=" in mount, name


def test_only_the_tls_proxy_is_reached_from_outside(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert name == "tls-proxy" or port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_the_start_is_ordered_by_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert name == "prepare" or service["healthcheck"]["test"][0] == "CMD", name
        for needed, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert condition == (
                "service_completed_successfully" if needed == "prepare" else "service_healthy"
            )
            profiles = services[needed].get("profiles")
            assert profiles is None or profiles == service.get("profiles"), f"{name}: {needed}"
    assert set(services["agent"]["depends_on"]) == {"prepare", "mock-robot", "cloud"}


def test_what_is_built_and_mounted_exists(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if build := service.get("build"):
            folder = ROOT / build["context"]
            file = folder / build.get("dockerfile", "Dockerfile")
            assert file.is_file(), name
            target = build.get("target")
            assert target is None or f" AS {target}\n" in file.read_text(), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"


def test_prometheus_and_grafana_meet(services: dict[str, Any]) -> None:
    written = " ".join(services["prometheus"]["command"])
    for job in scrape_jobs():
        assert f"> {job['authorization']['credentials_file']}" in written
        for target in targets(job):
            assert target.split(":")[0] in services
    sources = yaml.safe_load(
        (ROOT / "deploy/metrics/grafana/datasources/prometheus.yaml").read_text()
    )["datasources"]
    assert sources[0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load(
        (ROOT / "deploy/metrics/grafana/dashboards/shadowdog.yaml").read_text()
    )["providers"][0]
    assert f"./deploy/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    for dashboard in (ROOT / "deploy/dashboards").glob("*.json"):
        assert "__inputs" not in json.loads(dashboard.read_text()), dashboard.name


def test_the_agent_lets_prometheus_in(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses Hosts that are names and not its own, and a container is called by its id."""
    monkeypatch.setattr(socket, "gethostname", lambda: "4f1c2d3e5a6b")
    monkeypatch.setattr(socket, "getfqdn", lambda: "4f1c2d3e5a6b")
    with monkeypatch.context() as patch:
        for variable, value in services["agent"]["environment"].items():
            patch.setenv(variable, value)
        agent = EdgeSettings.from_environment()
    client = TestClient(Guard(PlainTextResponse("figures"), agent))
    (job,) = (each for each in scrape_jobs() if each["job_name"] == "shadowdog-edge")
    by_address = "dns_sd_configs" in job
    (target,) = targets(job)
    name, port = target.split(":")
    assert name == services["agent"]["network_mode"].removeprefix("service:")
    assert int(port) == agent.port
    headers = {
        "Host": f"172.18.0.3:{port}" if by_address else target,
        "Authorization": f"Bearer {SECRETS['SHADOWDOG_PAIRING_TOKEN']}",
    }
    answer = client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.text) == (200, "figures")


def scrape_jobs() -> list[dict[str, Any]]:
    text = (ROOT / "deploy/metrics/prometheus.yml").read_text(encoding="utf-8")
    jobs: list[dict[str, Any]] = yaml.safe_load(text)["scrape_configs"]
    return jobs


def targets(job: dict[str, Any]) -> list[str]:
    """Return names and ports, whether they are asked by name or, looked up first, by address."""
    by_name = [each for part in job.get("static_configs", []) for each in part["targets"]]
    looked_up = [
        f"{name}:{part['port']}" for part in job.get("dns_sd_configs", []) for name in part["names"]
    ]
    return by_name + looked_up


def test_the_secrets_are_fresh_private_and_kept(tmp_path: Path) -> None:
    script, first, second = ROOT / "deploy/write_secrets.sh", tmp_path / "a", tmp_path / "b"
    for file in (first, second, first):
        before = first.read_text() if file.exists() else None
        subprocess.run([script, str(file)], check=True, capture_output=True)
        assert before is None or first.read_text() == before
    assert first.stat().st_mode & 0o777 == 0o600
    values = [
        dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        for file in (first, second)
    ]
    assert set(values[0]) == set(SECRETS)
    assert not set(values[0].values()) & set(values[1].values())
    EdgeSettings.from_environment(pairing_token=values[0]["SHADOWDOG_PAIRING_TOKEN"])
