"""Keys and values kept for later requests: each model's system prompt, and sessions' earlier turns."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.slots import Slots

Key = tuple[str, ...]
"""("system", model) or ("session", model, owner, session id)."""


def system_key(model: str) -> Key:
    """Return the key of a model's system prompt."""
    return ("system", model)


def session_key(model: str, owner: str, session_id: str) -> Key:
    """Return the key of a session, which no other owner and no other model shares."""
    return ("session", model, owner, session_id)


@dataclass(frozen=True)
class _Kept:
    """Tokens and the slots that hold them, last used at a time in seconds."""

    ids: tuple[int, ...]
    slots: Tensor
    used_at_s: float


class KeptPrefixes:
    """Bounded in sessions, tokens and time; what was used longest ago goes first.

    All layers keep all tokens, those behind a sliding window too, so any common beginning of a kept
    sequence and a new one can be used again exactly.
    """

    def __init__(self, slots: Slots, limits: EngineLimits) -> None:
        self._slots = slots
        self._limits = limits
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def share(self, keys: Sequence[Key], ids: Sequence[int], now_s: float) -> Tensor:
        """Return the slots of the longest beginning of `ids` that is kept under one of `keys`.

        They are held for the caller. The last of `ids` is never among them: it must be run.
        """
        self.forget_old(now_s)
        longest = self._slots.take(0)
        for key in keys:
            if key not in self._kept:
                continue
            kept = self._kept[key]
            self._kept[key] = replace(kept, used_at_s=now_s)
            self._kept.move_to_end(key)
            common = kept.slots[: _common(kept.ids, ids[:-1])]
            longest = max(longest, common, key=len)
        return self._slots.share(longest)

    def keep(self, key: Key, ids: Sequence[int], slots: Tensor, now_s: float) -> None:
        """Keep tokens in the place of what was kept under `key`, then drop what is too much."""
        self._slots.share(slots)
        self._drop(key)
        self._kept[key] = _Kept(tuple(ids), slots, now_s)
        sessions = [each for each in self._kept if each[0] == "session"]
        for oldest in sessions[: max(0, len(sessions) - self._limits.kept_sessions)]:
            self._drop(oldest)
        while self._tokens > self._limits.kept_tokens:
            self._drop(next(iter(self._kept)))

    def make_room(self, count: int) -> bool:
        """Drop what was used longest ago until `count` slots are free; False where they are not."""
        while self._slots.free < count and self._kept:
            self._drop(next(iter(self._kept)))
        return self._slots.free >= count

    def forget_old(self, now_s: float) -> None:
        """Drop sessions that were not used for as long as they are kept."""
        expired_s = now_s - self._limits.kept_s
        for key, kept in list(self._kept.items()):
            if key[0] == "session" and kept.used_at_s <= expired_s:
                self._drop(key)

    def forget_model(self, model: str) -> None:
        """Drop all that a model computed."""
        for key in [each for each in self._kept if each[1] == model]:
            self._drop(key)

    @property
    def _tokens(self) -> int:
        return sum(len(kept.ids) for kept in self._kept.values())

    def _drop(self, key: Key) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._slots.give_back(kept.slots)


def _common(kept: Sequence[int], ids: Sequence[int]) -> int:
    """Return how many tokens the two begin with in common."""
    shorter = min(len(kept), len(ids))
    return next((n for n in range(shorter) if kept[n] != ids[n]), shorter)
