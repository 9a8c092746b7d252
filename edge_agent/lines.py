"""What the dog says with a skill: the catalogue's reviewed line, or one that the shadow writes."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Literal, Protocol

from shared.skills import Skill
from shared.tags import print_tag
from shared.text import Language, guess_language

LineSource = Literal["reviewed", "shadow"]


class Writer(Protocol):
    """What is needed of `edge_agent.line_writer.LineWriter`."""

    @property
    def able(self) -> bool: ...
    def pieces(self, text: str, tag: str) -> Iterator[str]: ...


class Lines:
    """Gives a skill its spoken line; a line of the shadow's that is not fit gives way to the reviewed.

    `executor` is the recogniser's single thread, which owns the shadow.
    """

    def __init__(self, writer: Writer | None = None, executor: Executor | None = None) -> None:
        self._writer = writer
        self._executor = executor

    async def say(
        self,
        skill: Skill,
        text: str,
        language: Language,
        on_piece: Callable[[str], None] = lambda so_far: None,
    ) -> str:
        """Return the line to an utterance; `on_piece` gets the line so far as it grows.

        Tier-3 lines warn bystanders, so they are always the reviewed ones.
        """
        reviewed = skill.say(language)
        if self._writer is None or not self._writer.able or skill.tier == 3:
            return reviewed
        loop = asyncio.get_running_loop()
        pieces = self._writer.pieces(text, print_tag(skill.name))
        line = ""
        while (piece := await loop.run_in_executor(self._executor, next, pieces, None)) is not None:
            line += piece
            on_piece(line)
        return line.strip() if is_fit(line, language) else reviewed


def is_fit(line: str, language: Language) -> bool:
    """Return whether a written line may be spoken: whole, in the language, and no tag in it."""
    words = line.strip()
    if not words or any(mark in words for mark in "[]<>"):
        return False
    ended = words[-1] in ".!?。！？~～"
    return ended and (guess_language(words) == "zh") == (language == "zh")
