"""The training losses: next-token cross-entropy of base and shadow, each with its own targets."""

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""The label of a position that no loss looks at."""


def label_positions(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (row, position, target) of every labelled token, shifted: position p predicts p + 1.

    labels: [batch, tokens], IGNORED where nothing is learnt. Logits are needed at the returned
    positions only, which is what makes a large vocabulary affordable.
    """
    targets = labels[:, 1:]
    rows, positions = (targets != IGNORED).nonzero(as_tuple=True)
    return rows, positions, targets[rows, positions]


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits [n, vocabulary] against targets [n]; 0 where n is 0."""
    if targets.numel() == 0:
        return logits.sum() * 0.0
    return F.cross_entropy(logits.float() if logits.dtype.itemsize < 4 else logits, targets)
