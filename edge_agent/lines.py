"""What the dog says with a skill: the catalogue's reviewed line, or one that the shadow writes."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Literal, Protocol

from shared.skills import Skill, Tier
from shared.tags import print_tag
from shared.text import Language, guess_language

LineSource = Literal["reviewed", "shadow"]
FEWEST_LETTERS = 4
"""An English line of fewer is the torn end of one."""


class Writer(Protocol):
    """What is needed of `edge_agent.line_writer.LineWriter`."""

    @property
    def able(self) -> bool: ...
    def pieces(self, text: str, tag: str, language: Language) -> Iterator[str]: ...


class Lines:
    """Gives a skill its spoken line; a line of the shadow's that is not fit gives way to the reviewed.

    `executor` is the recogniser's single thread, which owns the shadow.
    """

    def __init__(self, writer: Writer | None = None, executor: Executor | None = None) -> None:
        self._writer = writer
        self._executor = executor

    def writes(self, skill: Skill) -> bool:
        """Return whether the shadow words this skill's line: tier 3 warns in the reviewed words."""
        able = self._writer is not None and self._writer.able
        return able and skill.tier is not Tier.DANGEROUS and skill.tier is not Tier.SAFE

    async def say(
        self,
        skill: Skill,
        text: str,
        language: Language,
        on_piece: Callable[[str], None] = lambda so_far: None,
    ) -> str:
        """Return the line to an utterance; `on_piece` gets the line so far as it grows."""
        reviewed = skill.say(language)
        if self._writer is None or not self.writes(skill):
            return reviewed
        loop = asyncio.get_running_loop()
        pieces = self._writer.pieces(text, print_tag(skill.name), language)
        line = ""
        while (piece := await loop.run_in_executor(self._executor, next, pieces, None)) is not None:
            line += piece
            on_piece(line)
        return line.strip() if is_fit(line, language) else reviewed


def is_fit(line: str, language: Language) -> bool:
    """Return whether a written line may be spoken: whole, in the language, and no tag in it."""
    words = line.strip()
    letters = sum(character.isalnum() for character in words)
    if not letters or any(mark in words for mark in "[]<>") or words[-1] not in ".!?。！？":
        return False
    if language == "zh":
        return guess_language(words) == "zh"
    return guess_language(words) == "en" and words[0].isupper() and letters >= FEWEST_LETTERS
