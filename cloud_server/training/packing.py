"""Packing: many rows in one sequence behind one shared system prompt, as a forest of tokens.

Every token knows the token before it (its parent), so rows, and the two targets of one row, branch
off common beginnings without seeing each other. The result is exactly what each chain gives alone,
at the price of its own tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Forest:
    """Tokens with parents (indices into `tokens`, -1 for a first token)."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], parent: int) -> int:
        """Append a chain behind `parent` and return the index of its last token."""
        for token in tokens:
            self.tokens.append(token)
            self.parents.append(parent)
            parent = len(self.tokens) - 1
        return parent

    def positions(self) -> list[int]:
        """Return every token's position in its own chain, from 0."""
        depth: list[int] = []
        for parent in self.parents:
            depth.append(0 if parent < 0 else depth[parent] + 1)
        return depth

    def mask(self) -> Tensor:
        """Return [tokens, tokens], True where the row's token sees the column's: itself and before."""
        size = len(self.tokens)
        mask = torch.zeros(size, size, dtype=torch.bool)
        for index, parent in enumerate(self.parents):
            if parent >= 0:
                mask[index] = mask[parent]
            mask[index, index] = True
        return mask


def model_inputs(forest: Forest) -> dict[str, Tensor | dict[str, Tensor]]:
    """Return `input_ids`, `position_ids` [1, tokens] and the masks [1, 1, tokens, tokens] of a forest.

    One mask serves every attention type: chains are shorter than any sliding window in use.
    """
    mask = forest.mask()[None, None]
    return {
        "input_ids": torch.tensor([forest.tokens]),
        "position_ids": torch.tensor([forest.positions()]),
        "attention_mask": {"full_attention": mask, "sliding_attention": mask},
    }
