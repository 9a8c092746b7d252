"""The joint losses, eqs. 8 and 9: cross-entropy of base and shadow, each with its own targets."""

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


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits [batch, classes] against classes [batch]."""
    return F.cross_entropy(logits.float() if logits.dtype.itemsize < 4 else logits, classes)


def joint_loss(base: Tensor, shadow: Tensor, shadow_weight: float) -> Tensor:
    """Return CE(base) + λ · CE(shadow), the sum of eq. 8 and of eq. 9.

    Source: ShadowPEFT §3.4; what λ does is appendix E.
    """
    return base + shadow_weight * shadow
