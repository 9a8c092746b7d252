"""The edge's settings: what is refused because it would be dangerous or is a slip."""

from pathlib import Path

import pytest

from edge_agent.settings import MINIMUM_EARLY_SILENCE_S, EdgeSettings
from edge_agent.speech.understanding import AFTER_S
from edge_agent.speech.voice_activity import FRAME_S
from shared.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("EDGE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_the_defaults_are_safe(tmp_path: Path) -> None:
    settings = EdgeSettings.from_environment()
    assert (settings.host, settings.port, settings.url) == (
        "127.0.0.1",
        8080,
        "http://127.0.0.1:8080",
    )
    assert not settings.simulation
    assert not settings.dangerous_allowed
    assert settings.confirm_dangerous
    assert settings.deadline_s == 20.0
    assert settings.bundle == tmp_path / "cache" / "bundles" / "gemma-270m"
    assert settings.journal == tmp_path / "state" / "shadowdog" / "journal.jsonl"


def test_the_environment_and_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_PORT", "9000")
    monkeypatch.setenv("EDGE_CLOUD_KEY", "secret-of-the-cloud")
    monkeypatch.setenv("EDGE_ALLOWED_HOSTS", '["dog.lan"]')
    settings = EdgeSettings.from_environment(port=9001, host=None)
    assert settings.port == 9001
    assert settings.allowed_hosts == ("dog.lan",)
    assert "secret-of-the-cloud" not in repr(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "dog.local"])
def test_a_wider_bind_needs_a_pairing_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match="EDGE_PAIRING_TOKEN"):
        EdgeSettings.from_environment(host=host)
    assert EdgeSettings.from_environment(host=host, pairing_token="correct horse").host == host


def test_a_short_token_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigurationError) as told:
        EdgeSettings.from_environment(pairing_token="hunter2")
    assert "hunter2" not in told.value.message


@pytest.mark.parametrize(
    "token",
    [
        "我的机器狗密码一二三",
        "pässword-123",
        "tab\tinside",
        "line\nbreak",
        " at-an-end",
        "at-an-end ",
    ],
)
def test_a_token_that_no_client_can_send_is_refused_without_being_told(token: str) -> None:
    with pytest.raises(ConfigurationError, match="ASCII") as told:
        EdgeSettings.from_environment(pairing_token=token)
    assert token.strip() not in told.value.message


@pytest.mark.parametrize("token", ["correct horse", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_a_token_of_printable_ascii_is_taken(token: str) -> None:
    settings = EdgeSettings.from_environment(pairing_token=token)
    assert settings.pairing_token is not None
    assert settings.pairing_token.get_secret_value() == token


def test_dangerous_skills_outside_and_inside_the_simulation() -> None:
    assert EdgeSettings.from_environment(allow_dangerous=True).dangerous_allowed
    with pytest.raises(ConfigurationError, match="CONFIRM_DANGEROUS"):
        EdgeSettings.from_environment(allow_dangerous=True, confirm_dangerous=False)
    simulated = EdgeSettings.from_environment(
        simulation=True, robot_interface="lo", confirm_dangerous=False
    )
    assert simulated.dangerous_allowed


def test_a_simulation_never_reaches_a_real_dog() -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        EdgeSettings.from_environment(simulation=True, robot_interface="eth0")


def test_an_unknown_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_PROT", "1")
    with pytest.raises(ConfigurationError, match="EDGE_PROT"):
        EdgeSettings.from_environment()


@pytest.mark.parametrize("silence_s", [0.0, 0.2, 0.5, 3.0])
def test_an_early_silence_that_is_of_use_or_none(silence_s: float) -> None:
    settings = EdgeSettings.from_environment(early_silence_s=silence_s)
    assert settings.early_silence_s == silence_s
    assert AFTER_S + FRAME_S < MINIMUM_EARLY_SILENCE_S  # what it has to hold


@pytest.mark.parametrize("silence_s", [0.1, -1.0, 4.0])
def test_another_early_silence_is_refused(silence_s: float) -> None:
    with pytest.raises(ConfigurationError, match="EDGE_EARLY_SILENCE_S"):
        EdgeSettings.from_environment(early_silence_s=silence_s)
