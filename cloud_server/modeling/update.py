"""The update, eqs. 5 to 7 with 13 and 14: how the shadow's state follows the base through its layers."""

from torch import Tensor, nn


class Update(nn.Module):
    """s(l) = s(l-1) + g ⊙ (t - s(l-1)), for layers 1 to L-1, on n = LayerNorm(h(l)).

    t = W2 dropout(silu(W1 n)) and g = sigmoid(V2 silu(V1 n)) a layer, bias-free; the LayerNorm is
    shared by all layers. Tensor names are the library's. Source: ShadowPEFT §3.3, appendix D.
    """

    def __init__(self, layers: int, hidden: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.update_gates = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden, inner, bias=False),
                nn.SiLU(),
                nn.Linear(inner, hidden, bias=False),
                nn.Sigmoid(),
            )
            for _ in range(layers)
        )
        self.update_transforms = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden, inner, bias=False),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(inner, hidden, bias=False),
            )
            for _ in range(layers)
        )
        self.hidden_norm = nn.LayerNorm(hidden)

    def forward(self, hidden: Tensor, shadow: Tensor, index: int) -> Tensor:
        """Return s(l) [batch, tokens, hidden] for the layer l = `index` + 1, given h(l) and s(l-1)."""
        normed = self.hidden_norm(hidden)
        transform: Tensor = self.update_transforms[index](normed)  # eq. 5, its network eq. 13
        gate: Tensor = self.update_gates[index](normed)  # eq. 6, its network eq. 14
        return shadow + gate * (transform - shadow)  # eq. 7
