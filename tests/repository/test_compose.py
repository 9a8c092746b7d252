"""docker-compose.yml and the Dockerfiles: what can be checked without a Docker engine."""

import re
from pathlib import Path
from typing import Any

import yaml

from cloud_server.settings import CloudSettings
from edge_agent.settings import EdgeSettings

ROOT = Path(__file__).resolve().parents[2]


def services() -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = compose["services"]
    return found


def test_three_services_build_from_files_that_exist() -> None:
    assert set(services()) == {"cloud", "mock-robot", "agent"}
    for service in services().values():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["healthcheck"]["test"][0] == "CMD"


def test_every_variable_is_a_setting() -> None:
    for name, service in services().items():
        for variable in service.get("environment", {}):
            settings = CloudSettings if name == "cloud" else EdgeSettings
            prefix, _, field = variable.partition("_")
            assert prefix == ("CLOUD" if name == "cloud" else "EDGE"), variable
            assert field.lower() in settings.model_fields, variable


def test_the_agents_settings_are_accepted(monkeypatch: Any) -> None:
    for variable, value in services()["agent"]["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{.*\}", "a-secret-of-enough-characters", value))
    settings = EdgeSettings.from_environment()
    assert settings.simulation
    assert settings.robot_domain == int(services()["mock-robot"]["command"][2])


def test_what_the_images_copy_exists() -> None:
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        for line in path.read_text().splitlines():
            if line.startswith("COPY "):
                for source in line.split()[1:-1]:
                    assert (ROOT / source).exists(), f"{path.name}: {source}"
