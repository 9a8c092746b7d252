"""What each profile's name stands for: a base, its chat format, and the shadow on it."""

from dataclasses import dataclass
from pathlib import Path

from cloud_server.bundle_state import Coverage
from cloud_server.settings import ProfileName
from shared.errors import ConfigurationError
from shared.prompt import CHATML, GEMMA, ChatFormat
from shared.settings import cache_directory

REPOSITORY = Path(__file__).resolve().parent.parent
TINY_PROMPT_TURNS = 4


@dataclass(frozen=True)
class Profile:
    """A base in the cache's `bases/` and a shadow in the repository's `models/`, by folder name.

    prompt_turns: how many earlier exchanges of a session its prompts may hold. coverage: which
    tokens the edge's bundle carries unless asked otherwise.
    """

    base: str
    adapter: str
    chat: ChatFormat
    prompt_turns: int
    coverage: Coverage = "whole"

    @property
    def base_directory(self) -> Path:
        """Where the prepared base lies."""
        return cache_directory() / "bases" / self.base

    @property
    def adapter_directory(self) -> Path:
        """Where the repository's shadow lies."""
        return REPOSITORY / "models" / self.adapter


PROFILES: dict[ProfileName, Profile] = {
    # Trained on single utterances: after other turns it answers worse (docs/decisions/0005).
    "gemma-270m": Profile(
        "gemma-3-270m", "gemma-270m-shadow", GEMMA, prompt_turns=0, coverage="pruned"
    ),
    "qwen3-8b": Profile("qwen3-8b", "qwen3-8b-shadow", CHATML, prompt_turns=4),
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
