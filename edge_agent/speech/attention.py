"""Attention: which words of a recording are meant for the dog, and not its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from edge_agent import reflex
from edge_agent.confirmation import Answer
from edge_agent.speech.interface import Heard, Reason
from edge_agent.speech.wake_phrase import find_wake_phrase

Wake = Literal["phrase", "open"]
FOLLOW_UP_S = 5.0
"""How long after a bare wake phrase the next words count."""


@dataclass(frozen=True)
class Situation:
    """How things stood while the words were said, seconds on the attention's clock.

    `busy`: the dog moved or spoke; `own_line`: what it was saying, None where it was silent;
    `answer`: what the words answer to the dog's open question; `addressed`: a button was pressed to
    say them.
    """

    began_at: float
    busy: bool = False
    own_line: str | None = None
    answer: Answer | None = None
    addressed: bool = False


class Attention:
    """Lets through what is meant for the dog; `wake` "open" takes everything that is said.

    A stop is always meant for it. Else the words need the wake phrase at their start or end, or come
    within FOLLOW_UP_S of a bare one, or answer its question, or a button was pressed. While it speaks
    it may hear itself: without a button only a stop, the wake phrase and a no count, and never a yes,
    since its question ends in the words of one.
    """

    def __init__(
        self, wake: Wake = "phrase", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wake = wake
        self._clock = clock
        self._open_until = float("-inf")

    def admit(self, heard: Heard, situation: Situation) -> Heard:
        """Return `heard` where it is meant for the dog, else why it is not, without its words."""
        if heard.reason is not None:
            return heard
        own, answer = situation.own_line, situation.answer
        if not situation.addressed and _is_said_by_itself(heard, own):
            return _dismiss(heard, "own_voice")
        if reflex.is_stop(heard.text, situation.busy) or answer == "no":
            return heard
        if answer is not None:
            return heard if own is None else _dismiss(heard, "own_voice")
        if situation.addressed:
            return heard
        found = find_wake_phrase(heard.text)
        if found is not None and not found.rest:
            self._open_until = self._clock() + FOLLOW_UP_S
            return _dismiss(heard, "awaiting_command")
        if found is not None:
            return heard
        if own is not None:
            return _dismiss(heard, "own_voice")
        if self._wake == "open":
            return heard
        if situation.began_at <= self._open_until:
            self._open_until = float("-inf")
            return heard
        return _dismiss(heard, "not_addressed")


def _is_said_by_itself(heard: Heard, own_line: str | None) -> bool:
    return own_line is not None and reflex.cut_units(heard.text) == reflex.cut_units(own_line)


def _dismiss(heard: Heard, reason: Reason) -> Heard:
    return replace(heard, text="", reason=reason)
