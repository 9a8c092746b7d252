"""Slots: the numbered places of tokens' keys and values, counted by who uses them."""

from collections.abc import Iterable

import torch
from torch import Tensor

PADDING_SLOT = 0
"""Never given out; its keys and values stay zero, so a padded table may point to it."""


class Slots:
    """Gives out `capacity` slots, numbered from 1; a shared one is free when its last user lets go.

    Tables of slots are int64 tensors [tokens] on the CPU, in the tokens' order.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        # A stack with the low numbers on top: memory that was never used is never touched.
        self._free = torch.arange(capacity, 0, -1)
        self.free = capacity
        self._users = torch.zeros(capacity + 1, dtype=torch.int32)

    @property
    def used(self) -> int:
        """Slots that somebody holds."""
        return self.capacity - self.free

    def take(self, count: int) -> Tensor:
        """Return `count` free slots; the caller has made sure that there are as many."""
        assert 0 <= count <= self.free
        taken = self._free[self.free - count : self.free].flip(0)
        self.free -= count
        self._users[taken] = 1
        return taken

    def share(self, slots: Tensor) -> Tensor:
        """Return the same slots, held once more."""
        self._users[slots] += 1
        return slots

    def give_back(self, slots: Tensor) -> None:
        """Let go of slots that were taken or shared."""
        self._users[slots] -= 1
        freed = slots[self._users[slots] == 0]
        self._free[self.free : self.free + len(freed)] = freed.flip(0)
        self.free += len(freed)

    def freed_by(self, tables: Iterable[Tensor]) -> int:
        """Return how many slots would become free if all these tables were given back."""
        held = torch.bincount(torch.cat([self.take(0), *tables]), minlength=len(self._users))
        return int(((held > 0) & (held == self._users)).sum())
