"""A person's yes to a dangerous skill: one question at a time, one answer each, ten seconds.

    none ── ask ──▶ asked ── yes, in time ──▶ granted ── the action begins ──▶ none
      ▲               │                          │
      └── no, too late, a stop, another action, a newer question (which is then asked) ──┘

A spoken yes has to name the skill (`read_answer`): a recogniser that hears "yes" in a room full of
people must not make the dog flip. A clicked yes names its question by the request's id.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_agent.reflex import Units, cut_units, read_phrases
from edge_agent.verdict import Refusal
from shared.skills import Skill

Answer = Literal["yes", "no", "unnamed"]

YES = """
yes | yeah | yep | yup | confirm | confirmed | i confirm | affirmative |
确认 | 確認 | 我确认 | 我確認 | 是 | 是的 | 对 | 對 | 对的 | 對的 | 同意
"""
ASSENT = """
ok | okay | sure | do it | go ahead | go | alright | 好 | 好的 | 好吧 | 可以 | 行 | 做吧 | 来吧 | 要 | 嗯
"""
"""These open a wish as well ("okay, flip"), so that with the name they only ask again."""

NO = """
no | nope | not | dont | do not | never mind | nevermind | cancel | 不 | 不要 | 不用 | 不行 | 不可以 |
不是 | 不做 | 别 | 别做 | 取消 | 算了 | 否
"""
COURTESY = """
please | do | dog | doggy | doger | robot | now | the | a | it | that | hey | 狗哥 | 狗狗 | 机器狗 | 请 | 吧 | 啊 | 呀 |
啦 | 了 | 哦 | 做 | 个 | 個 | 一个 | 一個 | 来 | 来个 | 现在
"""
NAMES = {
    "FrontFlip": """
        front flip | frontflip | flip | forward flip | flip forward | somersault |
        前空翻 | 空翻 | 翻跟头 | 翻跟斗 | 翻个跟头 | 翻个跟斗
    """,
    "FrontJump": """
        front jump | jump | forward jump | jump forward | leap | leap forward |
        向前跳 | 往前跳 | 前跳 | 跳 | 跳一下
    """,
    "FrontPounce": """
        front pounce | pounce | forward pounce | pounce forward |
        向前扑 | 往前扑 | 前扑 | 扑 | 扑一下 | 向前撲 | 前撲 | 撲
    """,
}
"""How a person may name each built-in dangerous skill in the answer; a taught one: `_names_of`."""

_YES, _NAME, _NO, _ASSENT = 1, 2, 4, 8
_WORDS = {
    **dict.fromkeys(read_phrases(COURTESY), 0),
    **dict.fromkeys(read_phrases(YES), _YES),
    **dict.fromkeys(read_phrases(ASSENT), _ASSENT),
    **dict.fromkeys(read_phrases(NO), _NO),
}
_NAMES = {skill: read_phrases(names) for skill, names in NAMES.items()}
_MAX_UNITS = 24
"""A longer utterance is no answer."""


@dataclass(frozen=True)
class Question:
    """A dangerous skill that waits for a person's yes until `expires_at`."""

    request_id: str
    skill: Skill
    expires_at: float


class Confirmations:
    """The one open question and the yes that it got; `clock` gives seconds."""

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._asked: Question | None = None
        self._granted: Question | None = None

    def ask(self, request_id: str, skill: Skill) -> float:
        """Remember the question and return when it expires, on the injected clock.

        A newer question replaces the older one and its yes: one dog waits for one answer, and a
        late yes to an earlier question must not fire.
        """
        self.withdraw()
        self._asked = Question(request_id, skill, self._clock() + self._window_s)
        return self._asked.expires_at

    def question(self) -> Question | None:
        """Return the question that may be answered now."""
        asked = self._asked
        return asked if asked is not None and self._clock() <= asked.expires_at else None

    def left_s(self, question: Question) -> float:
        """Return how long `question` may still be answered, in seconds; 0 once its time is over."""
        return max(0.0, question.expires_at - self._clock())

    def skill_of(self, request_id: str) -> str | None:
        """Return the skill that the request's question is about, late or not; None without one."""
        asked = self._asked
        return asked.skill.name if asked is not None and asked.request_id == request_id else None

    def answer(self, request_id: str, accept: bool, by: str | None = None) -> Skill | Refusal:
        """Settle the question of `request_id`; it can be answered once.

        A yes in time returns the skill, which the request `by` (else the question's own) may then
        perform until the question's time is over.
        """
        asked = self._asked
        if asked is None or asked.request_id != request_id:
            return Refusal("confirmation_unknown", "no action waits for this confirmation")
        self.withdraw()
        if self._clock() > asked.expires_at:
            return Refusal("confirmation_expired", "the confirmation came too late; ask again")
        if not accept:
            return Refusal("confirmation_declined", "the action was declined")
        self._granted = Question(by or request_id, asked.skill, asked.expires_at)
        return asked.skill

    def allows(self, request_id: str, skill: Skill) -> bool:
        """Whether a person has said yes to this skill of this request, and it still counts."""
        granted = self._granted
        return (
            granted is not None
            and (granted.request_id, granted.skill) == (request_id, skill)
            and self._clock() <= granted.expires_at
        )

    def withdraw(self) -> None:
        """Forget the question and its yes, as a stop does."""
        self._asked = self._granted = None


def read_answer(text: str, skill: Skill) -> Answer | None:
    """Return what `text` answers to the question whether to do `skill`; None: it is no answer.

    The whole utterance must be a yes, a no, the skill's name and courtesies. "yes" needs the name;
    a yes without it is "unnamed"; the name alone is a wish, not an answer.
    """
    ways = _read_flags(cut_units(text), _names_of(skill))
    if any(way & _NO and not way & (_YES | _ASSENT) for way in ways):
        return "no"
    agreed = [way for way in ways if way & (_YES | _ASSENT) and not way & _NO]
    if any(way & _YES and way & _NAME for way in agreed):
        return "yes"
    return "unnamed" if any(not way & _NAME for way in agreed) else None


def _names_of(skill: Skill) -> frozenset[Units]:
    """Return how a person may name `skill`: as NAMES says, else as the catalogue calls it.

    What holds nothing but the words of any answer ("do it now") names no skill: a bare yes would be
    enough.
    """
    if skill.name in _NAMES:
        return _NAMES[skill.name]
    called = (cut_units(each) for each in (skill.english, skill.chinese))
    return frozenset(each for each in called if not _read_flags(each, frozenset()))


def _read_flags(units: Units, names: frozenset[Units]) -> set[int]:
    """Return what each way to split `units` wholly into known words holds, as sets of flags."""
    if len(units) > _MAX_UNITS:
        return set()
    words = {**_WORDS, **dict.fromkeys(names, _NAME)}
    reached: list[set[int]] = [{0}] + [set() for _ in units]
    for end in range(1, len(units) + 1):
        for start in range(end):
            flag = words.get(units[start:end])
            if flag is not None:
                reached[end] |= {before | flag for before in reached[start]}
    return reached[len(units)]
