"""The edge process's settings: environment variables `EDGE_*`, frozen, checked together."""

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from typing_extensions import Self

from edge_agent.bundles.store import BundleStore
from edge_agent.lines import LineSource
from edge_agent.provider import Provider, ProviderOptions
from shared.listening import printed_host
from shared.messages import DEFAULT_DEADLINE_MS
from shared.settings import ProcessSettings, cache_directory
from shared.taught_skill import split_folders

LOOPBACK_INTERFACES = ("lo", "lo0")
MINIMUM_TOKEN_CHARACTERS = 8
MINIMUM_EARLY_SILENCE_S = 0.2
"""What `speech/understanding.py` takes of the silence after the words (AFTER_S), and a frame to spare."""


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def default_bundle() -> Path:
    """Return where `cloud-server export-edge` writes the default bundle."""
    return cache_directory() / "bundles" / "gemma-270m"


def chosen_bundle() -> Path:
    """Return the pulled bundle that is in use, else the default one."""
    return BundleStore().current() or default_bundle()


def state_directory() -> Path:
    """Return where the journal and the outbox live by default: under the XDG state directory."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "shadowdog"


def default_journal() -> Path:
    return state_directory() / "journal.jsonl"


def default_outbox() -> Path:
    return state_directory() / "outbox.sqlite3"


def default_robot_id() -> str:
    return f"go2-{socket.gethostname()}"[:128]


class EdgeSettings(ProcessSettings):
    """What an edge agent is told; build with `EdgeSettings.from_environment`."""

    model_config = SettingsConfigDict(env_prefix="EDGE_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    pairing_token: SecretStr | None = None
    """Callers send it as a bearer; needed for any bind beyond loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """More names that a Host header may carry, as a JSON list."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """PEM files; both, and the agent speaks HTTPS: without it no phone's browser gives the page a microphone."""

    skills: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders of taught skills, with `:` between them; cli.py learns them before any command."""
    bundle: Path = Field(default_factory=chosen_bundle)
    bundle_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """The SHA-256 of the one manifest.json that this edge may run and pull; None: any."""
    bundle_mismatch: Literal["ignore", "warn", "refuse"] = "warn"
    """What to do where the cloud serves another bundle than this edge runs."""
    provider: Provider = "cpu"
    """What the recogniser runs on; one that is missing keeps the agent from starting."""
    device: Annotated[int, Field(ge=0, le=15)] = 0
    """Which GPU."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads of one forward pass of the recogniser on a processor."""
    lines: LineSource = "reviewed"
    """Who words the line spoken with a skill: the catalogue, or the shadow itself."""

    cloud_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] = "http://127.0.0.1:8090"
    cloud_key: SecretStr | None = None
    cloud_certificates: Path | None = None
    """A PEM file of the authorities that an https cloud's certificate may come from; None: the public ones."""
    cloud_max_tier: Annotated[int, Field(ge=-1, le=3)] = 2
    """The highest tier of skill that the cloud may ask for (docs/security.md); -1: it only speaks."""
    cloud_model: Annotated[str, Field(max_length=128)] | None = None
    deadline_s: Annotated[float, Field(gt=0, le=300)] = DEFAULT_DEADLINE_MS / 1000

    robot_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        default_factory=default_robot_id
    )
    robot_interface: Annotated[str, Field(min_length=1)] = "eth0"
    robot_domain: Annotated[int, Field(ge=0, le=230)] = 0

    simulation: bool = False
    allow_dangerous: bool = False
    confirm_dangerous: bool = True

    voice: Literal["auto", "robot", "speaker", "text"] = "auto"
    """What lines sound through: the dog's loudspeaker, this computer's, neither; auto: the first there."""
    synthesizer: Literal["espeak-ng", "piper"] = "espeak-ng"
    piper_english: Path | None = None
    piper_chinese: Path | None = None
    """The .onnx files of piper's voices."""

    ears: Literal["whisper", "sensevoice", "wyoming", "text"] = "whisper"
    """What recordings are understood by; "text": by nothing, only text is taken."""
    speech_model: Path | None = None
    """The folder of whisper's (CTranslate2) or sensevoice's model; None: whisper-base, SenseVoice-small."""
    second_ears: Literal["none", "whisper-small"] | Path = "none"
    """What hears Chinese again that would be deferred; a folder holds another Whisper for CTranslate2."""
    speech_threads: Annotated[int, Field(ge=1, le=64)] = 2
    speech_language: Literal["auto", "en", "zh"] = "auto"
    speech_prompt_en: Annotated[str, Field(max_length=600)] | None = None
    speech_prompt_zh: Annotated[str, Field(max_length=300)] | None = None
    """What whisper is made to expect, in place of the skills' names; "none" biases nothing."""
    wyoming_uri: Annotated[str, Field(pattern=r"^tcp://[^\s/]+:\d+$")] = "tcp://127.0.0.1:10300"
    wake: Literal["phrase", "open"] = "phrase"
    """Whether words of an open microphone need the wake phrase."""
    end_silence_s: Annotated[float, Field(ge=0.2, le=3)] = 0.5
    """How long nobody speaks until an open microphone's utterance has ended."""
    early_silence_s: Annotated[float, Field(ge=0, le=3)] = 0.2
    """After how long a silence the agent already begins to understand what was said; 0, or no less than
    `end_silence_s`: never."""

    journal: Path = Field(default_factory=default_journal)
    outbox: Path = Field(default_factory=default_outbox)
    """Utterances that the cloud did not answer; `edge-agent outbox` shows and clears them."""
    trace_endpoint: str | None = Field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None
    )
    """An OTLP/HTTP collector's address, without `/v1/traces`; None: no traces."""

    @field_validator(
        "tls_certificate",
        "tls_key",
        "bundle",
        "journal",
        "outbox",
        "cloud_certificates",
        "piper_english",
        "piper_chinese",
        "speech_model",
        "second_ears",
    )
    @classmethod
    def _expand(cls, value: Path | str | None) -> Path | str | None:
        return value.expanduser() if isinstance(value, Path) else value

    @field_validator("skills", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return split_folders(given) if isinstance(given, str) else given

    @field_validator("early_silence_s")
    @classmethod
    def _of_use(cls, value: float) -> float:
        if 0 < value < MINIMUM_EARLY_SILENCE_S:
            raise ValueError(
                f"0 switches it off; else use at least {MINIMUM_EARLY_SILENCE_S}: what is recognised "
                "before can never be used"
            )
        return value

    @field_validator("pairing_token")
    @classmethod
    def _long_and_sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        token = value.get_secret_value()
        if len(token) < MINIMUM_TOKEN_CHARACTERS:
            raise ValueError(f"use at least {MINIMUM_TOKEN_CHARACTERS} characters")
        if not (token.isascii() and token.isprintable() and token == token.strip()):
            raise ValueError(
                "use English letters, digits and signs only (printable ASCII), and no space at "
                "either end: no client can send another token in an HTTP header"
            )
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not is_loopback(self.host) and self.pairing_token is None:
            raise ValueError(
                f"whoever reaches {self.host}:{self.port} could move the dog: set "
                "EDGE_PAIRING_TOKEN, or keep EDGE_HOST=127.0.0.1"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("set EDGE_TLS_CERTIFICATE and EDGE_TLS_KEY, or neither")
        if self.simulation and self.robot_interface not in LOOPBACK_INTERFACES:
            raise ValueError(
                "a simulation stays on the loopback interface: set EDGE_ROBOT_INTERFACE=lo, or "
                "EDGE_SIMULATION=false for a real dog"
            )
        if not self.confirm_dangerous and not self.simulation:
            raise ValueError(
                "EDGE_CONFIRM_DANGEROUS=false is for the simulation only: a person confirms each "
                "flip and jump of a real dog"
            )
        return self

    @property
    def dangerous_allowed(self) -> bool:
        """Whether tier-3 skills may run: in a simulation, else only where configured on."""
        return self.simulation or self.allow_dangerous

    @property
    def provider_options(self) -> ProviderOptions:
        """Where the recogniser's graph runs."""
        engines = cache_directory() / "tensorrt" if self.provider == "tensorrt" else None
        return ProviderOptions(self.provider, self.threads, self.device, engines)

    @property
    def url(self) -> str:
        """The agent's own address for callers on this machine."""
        host = self.host.strip("[]")
        if host in ("0.0.0.0", "::"):
            host = "127.0.0.1"
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{printed_host(host)}:{self.port}"
