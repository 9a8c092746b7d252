"""Greedy generation with a cache of the call's own."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cloud_server.modeling.network import Mode, token_positions

if TYPE_CHECKING:
    from cloud_server.modeling.model import ShadowModel


@torch.inference_mode()
def generate_greedily(
    model: "ShadowModel",
    input_ids: Tensor,
    *,
    max_new_tokens: int,
    attention_mask: Tensor | None,
    mode: Mode,
    end_token_ids: tuple[int, ...],
) -> Tensor:
    """Return `input_ids` [batch, tokens] and the most probable continuation of each row.

    A row that has met an end token repeats it; left padding is given by `attention_mask`.
    """
    cache, ids, mask, step = model.new_cache(), input_ids, attention_mask, input_ids
    if mask is not None and bool(mask.all()):
        mask = None  # nothing is padded, so single tokens may take their own way (token_step.py)
    ends = torch.tensor(end_token_ids, dtype=ids.dtype, device=ids.device)
    ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    for _ in range(max_new_tokens):
        output = model(
            step,
            mask,
            cache,
            position_ids=None if mask is None else token_positions(step, mask),
            logits_to_keep=1,
            mode=mode,
            shadow_logits=mode == "detached",
        )
        logits = output.shadow_logits if mode == "detached" else output.logits
        step = logits[:, -1].argmax(-1, keepdim=True)
        step = torch.where(ended[:, None], ids[:, -1:], step)
        ids = torch.cat([ids, step], dim=1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if end_token_ids:
            ended |= torch.isin(step[:, 0], ends)
            if bool(ended.all()):
                break
    return ids
