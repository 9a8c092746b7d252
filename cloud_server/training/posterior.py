"""The exact posterior over the tags by torch, in batches: the reference for the edge's graph."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.training.objective import TagHead
from cloud_server.training.packing import Forest, model_inputs
from shared.prompt import PromptEncoder, prompt_segments
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
    tree, forest = head.tree, Forest()
    segments = prompt_segments(encoder.chat, "")
    root = forest.add(encoder.encode_segment(segments[0]), -1)
    suffix = encoder.encode_segment(segments[-1])
    nodes: list[int] = []
    for text in texts:
        words = encoder.encode_segment(prompt_segments(encoder.chat, text)[1])
        end = forest.add(suffix, forest.add(words, root))
        added: list[int] = []
        for token, parent in zip(tree.tokens, tree.parents, strict=True):
            added.append(forest.add([token], end if parent < 0 else added[parent]))
        nodes.extend(added[branch.at] for branch in tree.branches)
    device = model.base.device
    inputs: Any = {name: _move(each, device) for name, each in model_inputs(forest).items()}
    state = model.initial_state(**inputs)[0, nodes]
    branches = torch.arange(len(tree.branches), device=device).repeat(len(texts))
    logs = head.log_softmax(state, branches).view(len(texts), len(tree.branches), -1)
    stacked = torch.stack(
        [
            sum(
                (logs[:, number, head.column(number, child)] for number, child in path),
                logs.new_zeros(len(texts)),
            ).exp()
            for path in tree.paths
        ],
        dim=1,
    )
    return stacked.cpu()


def _move(given: Tensor | dict[str, Tensor], device: torch.device) -> Tensor | dict[str, Tensor]:
    if isinstance(given, Tensor):
        return given.to(device)
    return {name: each.to(device) for name, each in given.items()}
