"""What each profile's name stands for: a base, its chat format, and the shadow on it."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from cloud_server.bundle_state import Coverage
from cloud_server.settings import ProfileName
from shared.errors import ConfigurationError
from shared.prompt import CHATML, GEMMA, ChatFormat
from shared.settings import cache_directory

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = Path("share") / "shadowdog" / "models"
TINY_PROMPT_TURNS = 4


@dataclass(frozen=True)
class ModelPlaces:
    """A directory or a hub id each (`ModelSource.parse`); `shadow` is what an explicit one is made from."""

    base: str
    adapter: str
    shadow: str | None = None


@dataclass(frozen=True)
class Profile:
    """A base in the cache's `bases/` and a shadow in the repository's `models/`, by folder name.

    prompt_turns: how many earlier exchanges of a session its prompts may hold. coverage: which
    tokens the edge's bundle carries unless asked otherwise. hub: where base, shadow and what it is
    made from come from while those folders are not there.
    """

    base: str
    adapter: str
    chat: ChatFormat
    prompt_turns: int
    coverage: Coverage = "whole"
    hub: ModelPlaces | None = None

    @property
    def base_directory(self) -> Path:
        """Where the prepared base lies."""
        return cache_directory() / "bases" / self.base

    @property
    def adapter_directory(self) -> Path:
        """Where the repository's shadow lies, or the same that came with the installed package."""
        beside = REPOSITORY / "models" / self.adapter
        installed = Path(sysconfig.get_path("data")) / SHIPPED / self.adapter
        return installed if installed.is_dir() and not beside.is_dir() else beside

    def places(
        self,
        base: str | Path | None = None,
        adapter: str | Path | None = None,
        shadow: str | Path | None = None,
    ) -> ModelPlaces:
        """Return where the model comes from: what is given, else the folders, else the hub.

        The hub's explicit shadow belongs to the hub's adapter and goes with no other.
        """
        from_hub = self.hub is not None and not self.adapter_directory.is_dir() and adapter is None
        if base is None and self.hub is not None and not self.base_directory.is_dir():
            base = self.hub.base
        if self.hub is not None and from_hub:
            adapter, shadow = self.hub.adapter, shadow or self.hub.shadow
        return ModelPlaces(
            str(base or self.base_directory),
            str(adapter or self.adapter_directory),
            None if shadow is None else str(shadow),
        )


PROFILES: dict[ProfileName, Profile] = {
    # Trained on single utterances: after other turns it answers worse (docs/decisions/0005).
    "gemma-270m": Profile(
        "gemma-3-270m", "gemma-270m-shadow", GEMMA, prompt_turns=0, coverage="pruned"
    ),
    "qwen3-8b": Profile(
        "qwen3-8b",
        "qwen3-8b-shadow",
        CHATML,
        prompt_turns=4,
        hub=ModelPlaces(
            "Qwen/Qwen3-8B",
            "shadow-llm/robot-dog-shadow-peft-v2",
            "shadow-llm/robot-dog-detached-shadow",
        ),
    ),
}
"""Profiles that are read from disk; "tiny" is made in memory."""


def prompt_turns(name: ProfileName) -> int:
    """Return how many earlier exchanges a profile's prompts may hold."""
    return PROFILES[name].prompt_turns if name in PROFILES else TINY_PROMPT_TURNS


def find_profile(name: str) -> Profile:
    """Return the profile of that name; ConfigurationError for one that is not read from disk."""
    for known, profile in PROFILES.items():
        if known == name:
            return profile
    raise ConfigurationError(f"profile {name!r} is not on disk; use one of {', '.join(PROFILES)}")


def shipped_adapter(name: str) -> Path:
    """Return the repository's shadow of a profile."""
    return find_profile(name).adapter_directory


def model_places(
    name: str, base: Path | None, adapter: Path | None, shadow: Path | None
) -> ModelPlaces:
    """Return where a profile's model comes from (`Profile.places`); "tiny" needs its adapter given."""
    if name == "tiny" and adapter is not None:
        return ModelPlaces("", str(adapter), None if shadow is None else str(shadow))
    return find_profile(name).places(base, adapter, shadow)
