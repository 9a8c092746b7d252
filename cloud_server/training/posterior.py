"""The exact posterior over the tags by torch, in batches: the reference for the edge's graph."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.training.objective import PromptForest, TagHead
from cloud_server.training.packing import model_inputs
from shared.prompt import PromptEncoder
from shared.tag_tree import build_tag_tree
from shared.tags import TAGS


@torch.inference_mode()
def tag_posteriors(
    model: ShadowModel, encoder: PromptEncoder, texts: Sequence[str], *, batch_rows: int = 24
) -> Tensor:
    """Return P(tag) [texts, 35] of the detached shadow, in the order of `TAGS` (CONTRACT.md)."""
    tree = build_tag_tree([encoder.encode_plain(tag) for tag in TAGS])
    head = TagHead(tree, model.shadow_head_weight())
    pieces = [
        _batch(model, encoder, head, texts[start : start + batch_rows])
        for start in range(0, len(texts), batch_rows)
    ]
    return torch.cat(pieces) if pieces else torch.zeros(0, len(TAGS))


def _batch(
    model: ShadowModel, encoder: PromptEncoder, head: TagHead, texts: Sequence[str]
) -> Tensor:
    prompts = PromptForest(encoder, head.tree)
    nodes = [node for text in texts for node in prompts.add_tree(prompts.add_prompt(text))]
    device = model.base.device
    inputs: Any = {name: _move(each, device) for name, each in model_inputs(prompts.forest).items()}
    states = model.initial_state(**inputs)[0, nodes]
    return head.log_posterior(states).exp().cpu()


def _move(given: Tensor | dict[str, Tensor], device: torch.device) -> Tensor | dict[str, Tensor]:
    if isinstance(given, Tensor):
        return given.to(device)
    return {name: each.to(device) for name, each in given.items()}
