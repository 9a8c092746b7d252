"""What a model's answer means: the skill of its leading tag, and the words to be spoken."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from cloud_server.engine.request import FinishReason
from shared.skills import SKILL_NAMES, skill
from shared.tags import split_answer
from shared.text import Language

_MAY_BECOME_TAG = re.compile(r"\s*(?:\[(?:[A-Za-z0-9_]+(?:\(\)?)?)?)?")
"""A whole text of this form is the beginning of a leading tag, or of none yet."""

_NO_ANSWER = {"zh": "这个问题我答不上来。", "en": "I have no answer to that."}
_UNSURE = {
    "zh": "我不确定你想让我做什么，请直接说一个动作。",
    "en": "I'm not sure what you want me to do. Please name one skill.",
}
_SUPPOSED = {
    "zh": "我不确定你想让我做什么。如果是“{name}”，请直接这么说。",
    "en": 'I\'m not sure what you want me to do. If you mean "{name}", say just that.',
}
_NO_TIME = {"zh": "我没来得及想出答案。", "en": "I ran out of time before I had an answer."}


@dataclass(frozen=True)
class Ending:
    """The end of an answer: `rest` is the part of `say` that no earlier piece has said."""

    rest: str
    say: str
    skills: list[str]


class SpokenAnswer:
    """Turns the text of an answer, as it grows, into the pieces to be spoken.

    Nothing is given out until it is decided whether the answer leads with a tag, so that the
    pieces never hold one; joined, they are exactly the `say` of the ending.
    """

    def __init__(
        self,
        language: Language,
        believes: Callable[[str], bool] = lambda name: True,
        supposes: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """believes: whether a skill may be what was meant; one that may not be is not passed on.

        supposes: whether the speaker is told how to ask for such a one plainly.
        """
        self._believes = believes
        self._supposes = supposes
        self._language = "zh" if language == "zh" else "en"
        self._text = ""
        self._said_characters = 0

    def feed(self, text: str) -> str:
        """Return what may be spoken now, "" while that is undecided."""
        self._text += text
        if _MAY_BECOME_TAG.fullmatch(self._text):
            return ""
        name, say = split_answer(self._text)
        return "" if self._is_doubted(name) else self._rest_of(say)

    def finish(self, reason: FinishReason) -> Ending:
        """Return the ending; an answer without words gets the skill's line or an honest one."""
        # A tag that was cut off is neither a skill nor something to be read out.
        cut_off = _MAY_BECOME_TAG.fullmatch(self._text)
        name, say = (None, "") if cut_off else split_answer(self._text)
        if self._is_doubted(name):
            name, say = None, self._doubt(str(name))
        skills = [name] if name is not None and name in SKILL_NAMES else []
        if not say and skills:
            say = skill(skills[0]).say(self._language)
        elif not say:
            say = (_NO_TIME if reason == "deadline" else _NO_ANSWER)[self._language]
        return Ending(self._rest_of(say), say, skills)

    def _is_doubted(self, name: str | None) -> bool:
        return name in SKILL_NAMES and not self._believes(str(name))

    def _doubt(self, name: str) -> str:
        if not self._supposes(name):
            return _UNSURE[self._language]
        meant = skill(name)
        called = meant.chinese if self._language == "zh" else meant.english
        return _SUPPOSED[self._language].format(name=called)

    def _rest_of(self, say: str) -> str:
        piece = say[self._said_characters :]
        self._said_characters += len(piece)
        return piece
