"""Settings: the environment and the command line, frozen, unknown keys refused by name."""

import pytest
from pydantic import field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from typing_extensions import Self

from shared.errors import ConfigurationError
from shared.settings import ProcessSettings, cache_directory


class Example(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="CLOUD_")

    port: int = 1

    @field_validator("port")
    @classmethod
    def _is_open(cls, value: int) -> int:
        if value == 13:
            raise ValueError("13 brings bad luck")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.port == 14:
            raise ValueError("14 fits nothing else")
        return self


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


def test_what_is_wrong_is_told_without_the_words_of_the_library() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^wrong setting: CLOUD_PORT: 13 brings bad luck$"
    ):
        Example.from_environment(port=13)
    with pytest.raises(ConfigurationError, match=r"^wrong setting: 14 fits nothing else$"):
        Example.from_environment(port=14)


def test_other_tools_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_SDK_VERSION", "528")
    assert Example.from_environment().port == 1


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", "/somewhere")
    assert str(cache_directory()) == "/somewhere"
    monkeypatch.delenv("SHADOWDOG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(cache_directory()) == "/x/shadowdog"
