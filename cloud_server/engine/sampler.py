"""The choice of the next token from logits: the most probable one, or one drawn by chance."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cloud_server.engine.request import Sampling
from shared.errors import ModelError

FIRST_CANDIDATES = 64
"""So many of the most probable tokens nearly always reach top_p; a whole vocabulary is slow to sort."""


class Sampler:
    """Chooses for one request; its chance is its own, so nobody beside it changes what it draws."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed % 2**63)  # any whole number is a seed

    def choose(self, logits: Tensor, allowed: Sequence[int] | None = None) -> int:
        """Return a token for logits [vocabulary]; `allowed` leaves the choice to those.

        ModelError where the model computed no numbers.
        """
        if allowed is None:
            return self._pick(logits)
        candidates = torch.tensor(allowed, device=logits.device)
        return int(candidates[self._pick(logits.index_select(0, candidates))])

    def _pick(self, logits: Tensor) -> int:
        highest, index = logits.max(0)
        if not torch.isfinite(highest):
            raise ModelError("the model's logits are not finite")
        if self._sampling.temperature == 0:
            return int(index)
        probabilities = (logits.float() / self._sampling.temperature).softmax(0)
        if self._sampling.top_p >= 1:
            return self._draw(probabilities)
        values, tokens = _nucleus(probabilities, self._sampling.top_p)
        return int(tokens[self._draw(values)])

    def _draw(self, weights: Tensor) -> int:
        """Return an index drawn by weights that need not sum to 1; one draw, whatever their number."""
        sums = weights.double().cumsum(0)
        chance = float(torch.rand((), generator=self._generator, dtype=torch.float64))
        index = int(torch.searchsorted(sums, sums[-1] * chance, right=True))
        return min(index, len(sums) - 1)


def _nucleus(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the fewest most probable tokens that reach `top_p`, descending, and their probabilities."""
    count = min(FIRST_CANDIDATES, len(probabilities))
    while True:
        values, tokens = probabilities.topk(count)
        sums = values.cumsum(0)
        if count == len(probabilities) or sums[-1] >= top_p:
            break
        count = min(8 * count, len(probabilities))
    kept = int((sums < top_p).sum()) + 1
    return values[:kept], tokens[:kept]
