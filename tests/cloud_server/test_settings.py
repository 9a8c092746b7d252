"""The cloud's settings: prefix, lists, unknown keys, and keys that are not shown."""

import pytest

from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError


def test_defaults_are_loopback_and_the_default_profile():
    settings = CloudSettings.from_environment()
    assert (settings.host, settings.port) == ("127.0.0.1", 8090)
    assert (settings.profile, settings.precision, settings.api_keys) == ("gemma-270m", "bf16", ())


def test_the_environment_is_read_and_the_command_line_goes_first(monkeypatch):
    monkeypatch.setenv("CLOUD_PORT", "9000")
    monkeypatch.setenv("CLOUD_PROFILE", "tiny")
    settings = CloudSettings.from_environment(port=9001, profile=None)
    assert (settings.port, settings.profile) == (9001, "tiny")


def test_keys_are_split_at_commas_and_never_shown(monkeypatch):
    monkeypatch.setenv("CLOUD_API_KEYS", "first-key, second-key,")
    settings = CloudSettings.from_environment()
    assert [key.get_secret_value() for key in settings.api_keys] == ["first-key", "second-key"]
    assert "first-key" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOUD_PORT", "70000"),
        ("CLOUD_PROFILE", "huge"),
        ("CLOUD_PRECISION", "int3"),
        ("CLOUD_MAX_ACTIVE", "0"),
        ("CLOUD_NO_SUCH_THING", "1"),
    ],
)
def test_a_wrong_or_unknown_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        CloudSettings.from_environment()
