"""One step's work: the new tokens of all rows in one line, and which earlier tokens each row sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cloud_server.engine.slots import PADDING_SLOT


@dataclass(frozen=True, eq=False)
class Row:
    """One request's part of a step: `new_ids` after the `seen` tokens that its slots hold already.

    slots: the request's table [tokens], at least `seen` + new long. asks: whether the next token is
    wanted, or the row is in the middle of its prompt.
    """

    model: str
    new_ids: tuple[int, ...]
    seen: int
    slots: Tensor
    asks: bool

    @property
    def length(self) -> int:
        """Tokens of the row when the step is done."""
        return self.seen + len(self.new_ids)


@dataclass(frozen=True)
class Part:
    """The rows of one model, side by side in the batch: tokens `start` to `end`."""

    model: str
    rows: tuple[Row, ...]
    start: int
    end: int

    @property
    def span(self) -> slice:
        """Where the part's tokens are in the batch."""
        return slice(self.start, self.end)


class Batch:
    """Rows in the order of their models; tokens of all rows follow each other without padding."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: row.model))

    @cached_property
    def input_ids(self) -> Tensor:
        """Token ids [tokens]."""
        return torch.tensor([token for row in self.rows for token in row.new_ids])

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The batch by models."""
        parts: list[Part] = []
        for model, group in groupby(self.rows, key=lambda row: row.model):
            rows = tuple(group)
            start = parts[-1].end if parts else 0
            parts.append(Part(model, rows, start, start + sum(len(row.new_ids) for row in rows)))
        return tuple(parts)

    @property
    def asking(self) -> tuple[Row, ...]:
        """The rows whose next token is wanted, in the batch's order."""
        return tuple(row for row in self.rows if row.asks)

    @property
    def asked_at(self) -> Tensor:
        """Where in the batch the last tokens of the asking rows are [asking rows]."""
        ends = accumulate(len(row.new_ids) for row in self.rows)
        last = [end - 1 for end, row in zip(ends, self.rows, strict=True) if row.asks]
        return torch.tensor(last, dtype=torch.long)


def positions_of(rows: Sequence[Row]) -> Tensor:
    """Return the positions of the rows' new tokens [tokens]."""
    return torch.cat([torch.arange(row.seen, row.length) for row in rows])


def new_slots_of(rows: Sequence[Row]) -> Tensor:
    """Return where the rows' new tokens go [tokens]."""
    return torch.cat([row.slots[row.seen : row.length] for row in rows])


@dataclass(frozen=True)
class Sight:
    """What rows of equally many new tokens look at.

    table: slots [rows, keys], padded. mask: 0 or -inf to add to the scores [rows, 1, new, keys],
    None where every key is seen.
    """

    table: Tensor
    mask: Tensor | None


def sight_of(rows: Sequence[Row], window: int | None, dtype: torch.dtype) -> Sight:
    """Return what the rows' new tokens see: all before and themselves, or the last `window` of it."""
    new = len(rows[0].new_ids)
    lengths = torch.tensor([row.length for row in rows])
    firsts = torch.zeros_like(lengths)
    if window is not None:
        firsts = (lengths - new - window + 1).clamp(min=0)
    table = pad_sequence(
        [row.slots[first : row.length] for row, first in zip(rows, firsts.tolist(), strict=True)],
        batch_first=True,
        padding_value=PADDING_SLOT,
    )
    queries = (lengths - new)[:, None, None] + torch.arange(new)[None, :, None]
    keys = firsts[:, None, None] + torch.arange(table.shape[1])[None, None, :]
    seen = keys <= queries
    if window is not None:
        seen &= keys > queries - window
    if bool(seen.all()):
        return Sight(table, None)
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, float("-inf"))
    return Sight(table, mask[:, None])
