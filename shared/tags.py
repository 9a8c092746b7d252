"""The tag grammar: `[Name()]` for a skill, `[REMOTE]` for what is none."""

import re
from collections.abc import Sequence
from functools import lru_cache

from shared.skills import SKILL_NAMES, OfEachSkill

REMOTE = "[REMOTE]"
"""The tag of every utterance that is no skill."""

_SKILL_SHAPED = re.compile(r"\[[A-Z][A-Za-z0-9]{0,63}\(\)\]")
_LEADING_TAG = re.compile(r"\s*\[([A-Za-z0-9_]+)(\(\))?\]\s*")


def print_tag(name: str) -> str:
    """Return the tag of a skill's name or of "REMOTE"; ValueError for any other name."""
    if name == "REMOTE":
        return REMOTE
    if name not in SKILL_NAMES:
        raise ValueError(f"{name!r} is no skill of the catalogue")
    return f"[{name}()]"


def parse_tag(text: str) -> str | None:
    """Return the name that a complete tag stands for ("Sit", "REMOTE"), None for any other text."""
    if text == REMOTE:
        return "REMOTE"
    if text.startswith("[") and text.endswith("()]") and text[1:-3] in SKILL_NAMES:
        return text[1:-3]
    return None


def is_skill_shaped(text: str) -> bool:
    """Return whether `text` has the form of a skill's tag, of this catalogue or of another that was taught more."""
    return _SKILL_SHAPED.fullmatch(text) is not None


@lru_cache(maxsize=4)
def _quoted(skill_names: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(skill_names)
    compound = "|".join(name for name in skill_names if re.search("[a-z][A-Z]", name))
    return re.compile(rf"{compound}|[\[［]\s*(?:{names}|REMOTE)\b|\b(?:{names})\s*[(（]")


def spells_a_tag(text: str) -> bool:
    """Return whether a text quotes the machine's own names: `FrontFlip`, `[Sit`, `Sit()`.

    Nobody says those to a dog. Who types them writes about the machine, or tries to steer it, so that
    no such text is a command, whatever a model thinks of it.
    """
    return _quoted(tuple(SKILL_NAMES)).search(text) is not None


TAGS: Sequence[str] = OfEachSkill(lambda skill: f"[{skill.name}()]", (REMOTE,))
"""All tags, 35 where no skill is taught, in the catalogue's order, `[REMOTE]` last."""


def split_answer(text: str) -> tuple[str | None, str]:
    """Split a model's answer into its leading tag's name and the spoken rest.

    The name is a skill's or "REMOTE", or None where the answer starts with no tag of the
    catalogue. A leading bracket that only looks like a tag (`[CheckWeather()]`) is no skill and is
    left out of the spoken text. Brackets anywhere else are only text.
    """
    found = _LEADING_TAG.match(text)
    if found is None:
        return None, text.strip()
    return parse_tag(found.group(0).strip()), text[found.end() :].strip()
