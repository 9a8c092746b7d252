"""Injection and update of all shadows in a batch at once, on weights stacked by shadow.

The equations are those of `modeling/injection.py` and `modeling/update.py` (ShadowPEFT §3.2, §3.3).
There each shadow has a dozen small products a layer; here all of them share half as many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, silu

from cloud_server.engine.batch import Part
from cloud_server.modeling import ShadowModel


@dataclass(frozen=True)
class Weights:
    """The layers' weights of one shadow, or with one more dimension in front of several.

    downs [layers, hidden, rank], ups [layers, rank, hidden]; firsts [layers, hidden, 2 * inner]
    are the update's first products, transform beside gate, and transforms and gates
    [layers, inner, hidden] its second ones; scale and shift [hidden] are the LayerNorm's.
    """

    downs: Tensor
    ups: Tensor
    firsts: Tensor
    transforms: Tensor
    gates: Tensor
    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Kind:
    """What shadows must have in common to be stacked."""

    rank: int
    inner: int
    alpha: float
    epsilon: float
    updates: bool


@torch.no_grad()
def weights_of(model: ShadowModel) -> Weights:
    """Return copies of a shadow's weights in the form that is stacked."""
    injection, update = model.shadow_injection_model, model.shadow_update_model
    sequences: Any = zip(update.update_transforms, update.update_gates, strict=True)
    pairs = [([t[0].weight, t[3].weight], [g[0].weight, g[2].weight]) for t, g in sequences]
    transforms, gates = zip(*pairs, strict=True)
    firsts = [torch.cat([t[0], g[0]]).T for t, g in zip(transforms, gates, strict=True)]
    return Weights(
        downs=injection.injection_downs,
        ups=injection.injection_ups,
        firsts=torch.stack(firsts),
        transforms=torch.stack([each[1].T for each in transforms]),
        gates=torch.stack([each[1].T for each in gates]),
        scale=update.hidden_norm.weight,
        shift=update.hidden_norm.bias,
    )


def kind_of(model: ShadowModel) -> Kind:
    """Return the kind of a shadow."""
    config = model.shadow_config
    return Kind(
        rank=config.injection_hidden_size,
        inner=config.gate_hidden_size,
        alpha=model.shadow_injection_model.alpha,
        epsilon=model.shadow_update_model.hidden_norm.eps,
        updates=model.update_shadow,
    )


def stack(each: Sequence[Weights]) -> Weights:
    """Return the weights of several shadows of one kind, stacked in their order."""
    names = [field.name for field in fields(Weights)]
    return Weights(*(torch.stack([getattr(own, name) for own in each]) for name in names))


class Refinement:
    """The states s(l) of the shadows of one kind in one step, and what they do to the base's."""

    def __init__(
        self, kind: Kind, weights: Weights, parts: Sequence[Part], initial: Sequence[Tensor]
    ) -> None:
        """initial: s(0) [tokens of the part, hidden] of each part; weights are stacked likewise."""
        self._kind = kind
        self._weights = weights
        self._parts = parts
        device = initial[0].device
        length = max(part.end - part.start for part in parts)
        steps = torch.arange(length)
        starts, ends = (torch.tensor([getattr(p, end) for p in parts]) for end in ("start", "end"))
        at = starts[:, None] + steps
        is_real = at < ends[:, None]
        self._at = at.clamp(max=ends[:, None] - 1).to(device)
        self._real = None if bool(is_real.all()) else is_real.flatten().nonzero()[:, 0].to(device)
        self._state = torch.stack(
            [torch.cat([own, own[-1:].expand(length - len(own), -1)]) for own in initial]
        )

    def inject(self, hidden: Tensor, layer: int) -> Tensor:
        """Return ĥ [tokens, hidden]; tokens of no shadow stay as they are."""
        own, weights = hidden[self._at], self._weights
        inner = torch.bmm(own - self._state, weights.downs[:, layer])
        changed = torch.baddbmm(own, inner, weights.ups[:, layer], alpha=self._kind.alpha)
        changed, tokens = changed.flatten(0, 1), self._at.flatten()
        if self._real is not None:
            changed, tokens = changed[self._real], tokens[self._real]
        return hidden.index_copy(0, tokens, changed)

    def update(self, hidden: Tensor, layer: int) -> None:
        """Take s(l-1) to s(l), given h(l) [tokens, hidden] of the layer `layer` + 1."""
        if not self._kind.updates:
            return
        own, weights = hidden[self._at], self._weights
        normed = layer_norm(own, own.shape[-1:], eps=self._kind.epsilon)
        normed = torch.addcmul(weights.shift[:, None], normed, weights.scale[:, None])
        transform, gate = silu(torch.bmm(normed, weights.firsts[:, layer])).chunk(2, dim=-1)
        target = torch.bmm(transform, weights.transforms[:, layer])
        openness = torch.bmm(gate, weights.gates[:, layer]).sigmoid()
        self._state = torch.lerp(self._state, target, openness)
