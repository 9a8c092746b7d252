"""The cloud process's settings: environment variables with the prefix `CLOUD_`, or the command line."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import ProcessSettings, cache_directory
from shared.taught_skill import split_folders

ProfileName = Literal["gemma-270m", "qwen3-8b", "tiny"]
Precision = Literal["bf16", "fp32"]


class CloudSettings(ProcessSettings):
    """What `cloud-server serve` runs with; build it with `from_environment`.

    Without a key only a loopback `host` is allowed. `api_key_file` and `admin_key_file` hold a
    name and a digest a line, as `cloud-server keys new` prints them; `api_keys` and `admin_keys` are
    plain keys separated by commas, for a parent process that makes a key for its child. Without an
    admin key shadows cannot be loaded or unloaded, without `shadows_directory` none can be loaded.
    `base_directory`, `adapter_directory` and, for an explicit shadow that its adapter does not
    describe, `shadow_directory` override the profile's own: a folder each, or a hub id as
    `owner/name[@revision][#sha256]`. `threads` is torch's; None leaves its choice. A caller's
    deadline is cut to `max_deadline_s`.
    """

    model_config = SettingsConfigDict(env_prefix="CLOUD_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8090
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    api_key_file: Path | None = None
    admin_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    admin_key_file: Path | None = None
    requests_per_minute: Annotated[float, Field(gt=0)] = 600.0
    """What each key may ask in the long run; a key that was quiet may ask as many at once as
    `request_burst` says."""
    request_burst: Annotated[int, Field(ge=1)] = 100
    max_concurrent_per_key: Annotated[int, Field(ge=1)] = 64
    shadows_directory: Path | None = None
    """The only folder under which a shadow may be loaded while the service runs."""
    profile: ProfileName = "gemma-270m"
    base_directory: Path | None = None
    adapter_directory: Path | None = None
    shadow_directory: Path | None = None
    skills: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders of taught skills, with `:` between them; cli.py learns them before any command."""
    bundles: Path = Field(default_factory=lambda: cache_directory() / "bundles")
    """Where `export-edge` writes what edges may pull."""
    upstream_url: str | None = None
    """An OpenAI-compatible server that runs the model (docs/scale-out.md); None: this process does."""
    upstream_key: SecretStr | None = None
    upstream_attempts: Annotated[int, Field(ge=1)] = 4
    """How often in a row an upstream is asked without one new token before an answer is given up."""
    upstream_silence_s: Annotated[float, Field(gt=0)] = 10.0
    """After how long without a byte an answer counts as broken off, and is asked for elsewhere."""
    completions: bool = False
    """Serve `/v1/completions` in token ids, for a front end's upstream. Whoever may call it writes the
    whole prompt, the system prompt and all marks included."""
    precision: Precision = "bf16"
    threads: Annotated[int, Field(ge=1)] | None = None
    max_active: Annotated[int, Field(ge=1, le=256)] = 16
    queue_size: Annotated[int, Field(ge=0, le=10_000)] = 64
    cache_tokens: Annotated[int, Field(ge=512)] = 16_384
    """Tokens whose keys and values there is room for, in active requests and kept together."""
    prefill_tokens: Annotated[int, Field(ge=1)] = 128
    """Prompt tokens computed in one step, so that a long prompt holds nobody up."""
    max_deadline_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1 << 20
    max_completion_tokens: Annotated[int, Field(ge=1, le=32_768)] = 1024
    """The most that a chat completion may ask for."""
    session_turns: Annotated[int, Field(ge=0, le=32)] = 4
    """How many exchanges of a session are remembered, so that "do it again" has a meaning."""
    prompt_turns: Annotated[int, Field(ge=0, le=32)] | None = None
    """How many of them the prompt holds, too; None: as many as the profile's shadow can take."""
    session_tokens: Annotated[int, Field(ge=1)] = 256
    session_idle_s: Annotated[float, Field(gt=0)] = 300.0
    max_sessions: Annotated[int, Field(ge=1)] = 1000
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    trace_endpoint: str | None = Field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None
    )
    """An OTLP/HTTP collector's address, without `/v1/traces`; None: no traces."""

    @field_validator("upstream_url")
    @classmethod
    def _is_an_address(cls, given: str | None) -> str | None:
        if given is not None and not given.startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        return given

    @field_validator("skills", mode="before")
    @classmethod
    def _split_folders(cls, given: Any) -> Any:
        return split_folders(given) if isinstance(given, str) else given

    @field_validator("api_keys", "admin_keys", mode="before")
    @classmethod
    def _split_at_commas(cls, given: Any) -> Any:
        if isinstance(given, str):
            return tuple(key.strip() for key in given.split(",") if key.strip())
        return given
