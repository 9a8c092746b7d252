"""What a dog and its people said before: a few exchanges a session, in memory, bounded on every side."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from shared.prompt import PromptEncoder, Turn
from shared.skills import skill
from shared.tags import print_tag
from shared.text import clean_utterance, guess_main_language

MAX_DOG_CHARACTERS = 200
"""Of an answer that is remembered: its beginning says what it was about."""


class SessionKey(NamedTuple):
    """Whose session: one key of the service never sees what another one's dog heard."""

    caller: str
    robot_id: str
    session_id: str


class Exchange(NamedTuple):
    """One utterance and what the dog answered; `skill` is what it was told to do, if anything."""

    said: str
    answered: str
    skill: str | None

    @property
    def turns(self) -> tuple[Turn, Turn]:
        """The exchange as the prompt takes it: the answer leads with its tag, as it was trained."""
        tag = f"{print_tag(self.skill)} " if self.skill else ""
        return Turn("user", self.said), Turn("dog", tag + self.answered)


@dataclass(frozen=True)
class SessionLimits:
    """Exchanges and tokens a session, sessions in all, and seconds until a quiet one is forgotten."""

    turns: int = 4
    tokens: int = 256
    sessions: int = 1000
    idle_s: float = 300.0


class _Session(NamedTuple):
    used_at_s: float
    exchanges: list[Exchange]


class Sessions:
    """Remembers finished exchanges; lives on the event loop. `clock` gives seconds."""

    def __init__(self, limits: SessionLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._sessions: OrderedDict[SessionKey, _Session] = OrderedDict()
        """The longest unused one first."""

    def count(self) -> int:
        """Return how many sessions are remembered."""
        self._forget_idle()
        return len(self._sessions)

    def recall(self, key: SessionKey) -> tuple[Exchange, ...]:
        """Return the session's exchanges, oldest first; none after too long a silence."""
        self._forget_idle()
        session = self._sessions.get(key)
        return tuple(session.exchanges) if session else ()

    def remember(
        self, key: SessionKey, exchanges: Iterable[Exchange], encoder: PromptEncoder
    ) -> None:
        """Add what has been said now; where it becomes too much, an old session of the key with most goes."""
        kept = self.bound([*self.recall(key), *exchanges], encoder)
        self._sessions.pop(key, None)
        if kept:  # else even the last exchange is too long, and an older one would mislead
            self._sessions[key] = _Session(self._clock(), kept)
        while len(self._sessions) > self._limits.sessions:
            self._forget_one()

    def bound(self, exchanges: list[Exchange], encoder: PromptEncoder) -> list[Exchange]:
        """Return the newest exchanges that fit the bounds on turns and tokens."""
        kept: list[Exchange] = []
        tokens = 0
        for exchange in reversed(exchanges[-self._limits.turns :] if self._limits.turns else []):
            tokens += sum(len(encoder.encode_plain(turn.text)) for turn in exchange.turns)
            if tokens > self._limits.tokens:
                break
            kept.append(exchange)
        return kept[::-1]

    def _forget_one(self) -> None:
        """Forget the longest unused session of the key with most, so that no key pushes another's out."""
        held = Counter(key.caller for key in self._sessions)
        most = max(held.values())
        del self._sessions[next(key for key in self._sessions if held[key.caller] == most)]

    def _forget_idle(self) -> None:
        oldest_s = self._clock() - self._limits.idle_s
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            if session.used_at_s > oldest_s:
                return
            del self._sessions[key]


def answered_exchange(said: str, answered: str, named: str | None) -> Exchange:
    """Return an exchange that the model answered."""
    return Exchange(clean_utterance(said), answered[:MAX_DOG_CHARACTERS], named)


def acted_exchange(said: str, named: str | None) -> Exchange:
    """Return an exchange that the dog decided alone: it said the skill's own line.

    None: a skill that it was taught and that is not known here. It keeps its place, so that "again" means no
    older one.
    """
    if named is None:
        return Exchange(clean_utterance(said), "", None)
    return Exchange(clean_utterance(said), skill(named).say(guess_main_language(said)), named)
