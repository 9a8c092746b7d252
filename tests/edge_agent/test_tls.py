"""HTTPS of the agent itself: its certificate is tried at start and is the one its own callers trust."""

import subprocess
from pathlib import Path

import pytest

from edge_agent.settings import EdgeSettings
from edge_agent.tls import check_certificate, trust_only
from shared.errors import ConfigurationError


def test_a_certificate_that_cannot_be_used_keeps_the_agent_from_starting(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    check_certificate(*certificate)
    other = tmp_path / "other.pem"
    with pytest.raises(ConfigurationError, match="EDGE_TLS_KEY"):
        check_certificate(certificate[0], other)
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(other)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ConfigurationError, match="belong together"):
        check_certificate(certificate[0], other)
    other.write_text("no certificate at all")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        trust_only(other)


def test_a_certificate_needs_its_key_and_makes_the_address_https(tmp_path: Path) -> None:
    settings = EdgeSettings(tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "k.pem")
    assert settings.url == "https://127.0.0.1:8080"
    with pytest.raises(ValueError, match="EDGE_TLS_KEY"):
        EdgeSettings(tls_certificate=tmp_path / "c.pem")
