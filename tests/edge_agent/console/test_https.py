"""The command line against an agent that speaks HTTPS with a certificate of its own."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent_client import AgentClient
from shared.errors import ConfigurationError


def test_the_command_line_trusts_the_agents_certificate_and_no_other(
    make_world: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    world = make_world(tls=certificate)
    url = f"https://127.0.0.1:{world.port}"
    with AgentClient(url, certificate=certificate[0]) as agent:
        assert agent.say("sit").execution.state == "confirmed"
    other = tmp_path / "other.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    command += ["-out", str(other), "-keyout", str(tmp_path / "key.pem")]
    subprocess.run(command, check=True, capture_output=True)
    for wrong in (other, None):
        with AgentClient(url, certificate=wrong) as agent, pytest.raises(ConfigurationError):
            agent.say("sit")
    assert world.robot.performed == ["Sit"]
