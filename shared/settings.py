"""Settings' common parts: environment variables with a prefix, frozen, unknown keys refused."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self

from shared.errors import ConfigurationError

FOREIGN_VARIABLES = ("CLOUD_SDK_", "CLOUD_ML_", "CLOUD_RUN_", "CLOUD_SHELL")
"""Variables of Google's tools share our prefix `CLOUD_`; they are none of ours."""


def cache_directory() -> Path:
    """Return where prepared bases and bundles live: SHADOWDOG_CACHE, else the XDG cache."""
    chosen = os.environ.get("SHADOWDOG_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shadowdog"


class ProcessSettings(BaseSettings):
    """Base of a process's settings; build with `from_environment`, once, in its cli.py."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_ignore_empty=True, env_nested_delimiter="__"
    )

    @classmethod
    def from_environment(cls, **given: Any) -> Self:
        """Return settings of the environment with `given` (command line, None skipped) before it.

        ConfigurationError names every wrong or unknown key.
        """
        cls._refuse_unknown_variables(os.environ)
        try:
            return cls(**{key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            lines = [_describe(prefix, each["loc"], each["msg"]) for each in error.errors()]
            raise ConfigurationError("wrong setting: " + "; ".join(lines)) from error

    @classmethod
    def _refuse_unknown_variables(cls, environment: Mapping[str, str]) -> None:
        prefix = cls.model_config.get("env_prefix", "")
        known = {f"{prefix}{name}".upper() for name in cls.model_fields}
        unknown = [
            name
            for name in environment
            if name.startswith(prefix)
            and name.split("__")[0] not in known
            and not name.startswith(FOREIGN_VARIABLES)
        ]
        if unknown:
            raise ConfigurationError(
                f"unknown setting {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}"
            )


def _describe(prefix: str, place: tuple[int | str, ...], message: str) -> str:
    """Return what is wrong with a key; what is wrong with several together names them itself."""
    said = message.removeprefix("Value error, ")
    return f"{prefix}{'__'.join(str(part) for part in place).upper()}: {said}" if place else said
