"""The exact posterior over the tags by torch, in batches: the reference for the edge's graph."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.training.objective import PromptForest, TagHead
from cloud_server.training.packing import model_inputs
from shared.prompt import PromptEncoder
from shared.tag_tree import build_tag_tree
from shared.tags import TAGS

Posteriors = Callable[[Sequence[str]], Tensor]
"""A shadow's posteriors [texts, tags]."""


def reading(model: ShadowModel, encoder: PromptEncoder) -> Posteriors:
    """Return what gives `tag_posteriors` of the model, as it is now, and reads the same texts once."""
    known: dict[tuple[str, ...], Tensor] = {}

    def read(texts: Sequence[str]) -> Tensor:
        key = tuple(texts)
        if key not in known:
            known[key] = tag_posteriors(model, encoder, texts)
        return known[key]

    return read


def tag_posteriors(
    model: ShadowModel,
    encoder: PromptEncoder,
    texts: Sequence[str],
    *,
    batch_rows: int = 24,
    tags: Sequence[str] = TAGS,
) -> Tensor:
    """Return P(tag) [texts, tags] of the detached shadow, in the order of `tags` (CONTRACT.md)."""
    if not texts:
        return torch.zeros(0, len(tags))
    states = branch_states(model, encoder, texts, batch_rows=batch_rows, tags=tags)
    return tag_head(model, encoder, tags).log_posterior(states).exp()


def tag_head(model: ShadowModel, encoder: PromptEncoder, tags: Sequence[str] = TAGS) -> TagHead:
    """Return the rows of the shadow's head that the tags of this tokenizer need."""
    tree = build_tag_tree([encoder.encode_plain(tag) for tag in tags])
    return TagHead(tree, model.shadow_head_weight().cpu())


@torch.inference_mode()
def branch_states(
    model: ShadowModel,
    encoder: PromptEncoder,
    texts: Sequence[str],
    *,
    batch_rows: int = 24,
    tags: Sequence[str] = TAGS,
) -> Tensor:
    """Return the shadow's states [texts * branches, hidden] at the tag tree's branching nodes."""
    tree = build_tag_tree([encoder.encode_plain(tag) for tag in tags])
    device = model.base.device
    states = []
    for start in range(0, len(texts), batch_rows):
        prompts = PromptForest(encoder)
        nodes = [
            node
            for text in texts[start : start + batch_rows]
            for node in prompts.add_tree(tree, prompts.add_prompt(text))
        ]
        inputs: Any = {
            name: _move(each, device) for name, each in model_inputs(prompts.forest).items()
        }
        states.append(model.initial_state(**inputs)[0, nodes].float().cpu())
    return torch.cat(states)


def _move(given: Tensor | dict[str, Tensor], device: torch.device) -> Tensor | dict[str, Tensor]:
    if isinstance(given, Tensor):
        return given.to(device)
    return {name: each.to(device) for name, each in given.items()}
