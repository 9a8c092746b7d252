"""The warm start of a projection: eq. 12, the pseudo-inverse of the base's head times the shadow's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.errors import ModelError

CHUNK_ROWS = 8192


@dataclass(frozen=True)
class WarmStart:
    """The projection that eq. 12 gives, and how well it does.

    weight: P, [base hidden, shadow hidden] in float64, as `nn.Linear(shadow, base)` holds it.
    residual: ‖W_large P - W_small‖ / ‖W_small‖ (Frobenius); 0 is the small model's own logits, 1 as
    bad as P = 0. rank: directions of the base's hidden space that its head can tell apart.
    """

    weight: Tensor
    residual: float
    rank: int


@torch.no_grad()
def warm_start(base_head: Tensor, shadow_head: Tensor) -> WarmStart:
    """Return P = pinv(W_large) · W_small, the least-squares answer to W_large P ≈ W_small.

    base_head: W_large [vocabulary, base hidden H]; shadow_head: W_small [vocabulary, shadow hidden
    h]. ModelError where the vocabularies' sizes differ. Source: ShadowPEFT eq. 12, appendix B.

    The tall pseudo-inverse is never formed: pinv(W) = pinv(WᵀW) Wᵀ, with WᵀW [H, H] and WᵀW_small
    [H, h] summed in float64 over chunks of rows, so memory stays at two such matrices. Directions
    below about 1e-6 of the largest singular value count as none; the heads' own number format
    cannot hold them. Cost: 2·vocabulary·H·(H + h) operations and one eigendecomposition of [H, H].
    """
    if base_head.shape[0] != shadow_head.shape[0]:
        raise ModelError(
            f"the base's head has {base_head.shape[0]} tokens and the shadow's {shadow_head.shape[0]}; "
            "a warm start needs two models of one vocabulary"
        )
    gram, cross, norm = _sums(base_head, shadow_head)
    values, vectors = torch.linalg.eigh(gram)
    precision = torch.finfo(torch.float64).eps
    kept = values > values[-1] * len(values) * precision
    rank = int(kept.sum())
    if rank == 0:
        raise ModelError("the base's head is all zeros; nothing can be fitted to it")
    vectors, values = vectors[:, kept], values[kept]
    weight = vectors @ ((vectors.T @ cross) / values[:, None])
    explained = float((weight * cross).sum())  # = ‖W_large P‖², since P solves the normal equations
    residual = max(0.0, norm - explained) / norm if norm else 0.0
    return WarmStart(weight, residual**0.5, rank)


def _sums(base_head: Tensor, shadow_head: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return WᵀW, WᵀW_small and ‖W_small‖² in float64, chunk by chunk, on the base head's device."""
    hidden, narrow, device = base_head.shape[1], shadow_head.shape[1], base_head.device
    gram = torch.zeros(hidden, hidden, dtype=torch.float64, device=device)
    cross = torch.zeros(hidden, narrow, dtype=torch.float64, device=device)
    norm = 0.0
    chunks = (torch.split(head, CHUNK_ROWS) for head in (base_head, shadow_head))
    for large, small in zip(*chunks, strict=True):
        wide, thin = large.double(), small.to(device).double()
        gram.addmm_(wide.T, wide)
        cross.addmm_(wide.T, thin)
        norm += float(thin.square().sum())
    return gram, cross, norm
