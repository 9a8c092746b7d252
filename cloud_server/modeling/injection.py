"""The injection, eqs. 2 to 4: what the shadow adds to the base's hidden state before a layer."""

import torch
from torch import Tensor, nn


class Injection(nn.Module):
    """ĥ = h(l-1) + α · dropout((h(l-1) - s(l-1)) W_down[l]) W_up[l], for layers 1 to L-1.

    W_down is drawn from N(0, 0.02²) and W_up is zero, so a new shadow changes nothing. Tensor names
    are the library's. Source: ShadowPEFT §3.2.
    """

    def __init__(self, layers: int, hidden: int, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.injection_downs = nn.Parameter(torch.empty(layers, hidden, rank).normal_(std=0.02))
        self.injection_ups = nn.Parameter(torch.zeros(layers, rank, hidden))
        self.dropout = nn.Dropout(dropout)
        self.alpha = alpha

    def forward(self, hidden: Tensor, shadow: Tensor, index: int) -> Tensor:
        """Return ĥ [batch, tokens, hidden] for the layer `index` + 1."""
        discrepancy = hidden - shadow  # eq. 2
        inner = discrepancy @ self.injection_downs[index]  # eq. 3, with the line after next
        if self.training:
            inner = self.dropout(inner)
        injected = inner @ self.injection_ups[index]
        return torch.add(hidden, injected, alpha=self.alpha)  # eq. 4
