"""Keys and values kept for later requests: each model's system prompt, and sessions' earlier turns."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.request import GenerationRequest
from cloud_server.engine.slots import Slots

Key = tuple[str, ...]
"""("system", model) or ("session", model, owner, robot, session id)."""


def system_key(model: str) -> Key:
    """Return the key of a model's system prompt."""
    return ("system", model)


def session_key(model: str, request: GenerationRequest) -> Key | None:
    """Return the key of a request's session, which no other owner, robot or model shares; None without one."""
    if request.session_id is None:
        return None
    return ("session", model, request.owner, request.robot, request.session_id)


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
        """Drop what was used longest ago until `count` slots are free.

        False, and nothing is dropped, where requests under way hold so many that it would not do.
        """
        if self._slots.free < count:
            droppable = self._slots.freed_by(kept.slots for kept in self._kept.values())
            if self._slots.free + droppable < count:
                return False
        while self._slots.free < count:
            self._drop(next(iter(self._kept)))
        return True

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
