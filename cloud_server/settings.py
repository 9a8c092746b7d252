"""The cloud process's settings: environment variables with the prefix `CLOUD_`, or the command line."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import ProcessSettings

ProfileName = Literal["gemma-270m", "qwen3-8b", "tiny"]
Precision = Literal["bf16", "fp32"]


class CloudSettings(ProcessSettings):
    """What `cloud-server serve` runs with; build it with `from_environment`.

    Without a key (`api_keys`, separated by commas, or `api_key_file`, one a line) only a loopback
    `host` is allowed. `base_directory`, `adapter_directory` and, for an explicit shadow that its
    adapter does not describe, `shadow_directory` override the profile's own: a folder each, or a hub
    id as `owner/name[@revision][#sha256]`.
    `threads` is torch's; None leaves its choice. A caller's deadline is cut to `max_deadline_s`.
    """

    model_config = SettingsConfigDict(env_prefix="CLOUD_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8090
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    api_key_file: Path | None = None
    profile: ProfileName = "gemma-270m"
    base_directory: Path | None = None
    adapter_directory: Path | None = None
    shadow_directory: Path | None = None
    precision: Precision = "bf16"
    threads: Annotated[int, Field(ge=1)] | None = None
    max_active: Annotated[int, Field(ge=1, le=256)] = 4
    queue_size: Annotated[int, Field(ge=0, le=10_000)] = 16
    max_deadline_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1 << 20
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_at_commas(cls, given: Any) -> Any:
        if isinstance(given, str):
            return tuple(key.strip() for key in given.split(",") if key.strip())
        return given
