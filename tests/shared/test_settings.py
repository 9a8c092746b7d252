"""Settings: the environment and the command line, frozen, unknown keys refused by name."""

import pytest
from pydantic_settings import SettingsConfigDict

from shared.errors import ConfigurationError
from shared.settings import ProcessSettings, cache_directory


class Example(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="CLOUD_")

    port: int = 1


def test_given_values_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_PORT", "2")
    assert Example.from_environment().port == 2
    assert Example.from_environment(port=3).port == 3
    assert Example.from_environment(port=None).port == 2


def test_wrong_and_unknown_keys_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_PORT", "many")
    with pytest.raises(ConfigurationError, match="CLOUD_PORT"):
        Example.from_environment()
    monkeypatch.setenv("CLOUD_PORT", "2")
    monkeypatch.setenv("CLOUD_PROT", "2")
    with pytest.raises(ConfigurationError, match="CLOUD_PROT"):
        Example.from_environment()


def test_other_tools_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_SDK_VERSION", "528")
    assert Example.from_environment().port == 1


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", "/somewhere")
    assert str(cache_directory()) == "/somewhere"
    monkeypatch.delenv("SHADOWDOG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(cache_directory()) == "/x/shadowdog"
