"""What is learnt from a batch: the tag's posterior for the shadow, the answer for the base.

A remote request has two targets: the base's loss sees the written answer, the shadow's only the
`[REMOTE]` tag. Where no answer is written, the base learns just not to begin a tag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.modeling.loss import next_token_loss
from cloud_server.training.data import Row
from cloud_server.training.packing import Forest, model_inputs
from shared.prompt import PromptEncoder, prompt_segments
from shared.skills import skill
from shared.tag_tree import TagTree, build_tag_tree
from shared.tags import TAGS, print_tag


@dataclass
class Targets:
    """Token indices in the forest and what is to be predicted there."""

    branch_at: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    child: list[int] = field(default_factory=list)
    shadow_at: list[int] = field(default_factory=list)
    shadow_token: list[int] = field(default_factory=list)
    base_at: list[int] = field(default_factory=list)
    base_token: list[int] = field(default_factory=list)
    avoid_at: list[int] = field(default_factory=list)


class BatchBuilder:
    """Turns rows into one packed sequence with its targets; a data collator for the Trainer."""

    def __init__(self, encoder: PromptEncoder, *, answers: bool) -> None:
        """answers: also lay out the base's answers (joint training)."""
        self.encoder = encoder
        self.answers = answers
        self.spellings = [encoder.encode_plain(tag) for tag in TAGS]
        self.tree: TagTree = build_tag_tree(self.spellings)
        self._tag_index = {tag: index for index, tag in enumerate(TAGS)}

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        segments = prompt_segments(self.encoder.chat, "")
        forest, targets = Forest(), Targets()
        root = forest.add(self.encoder.encode_segment(segments[0]), -1)
        suffix = self.encoder.encode_segment(segments[-1])
        for row in rows:
            words = self.encoder.encode_segment(prompt_segments(self.encoder.chat, row.text)[1])
            prompt_end = forest.add(suffix, forest.add(words, root))
            self._add_tag(forest, targets, row, prompt_end)
            if self.answers:
                self._add_answer(forest, targets, row, prompt_end)
        return {**model_inputs(forest), "targets": targets}

    def _add_tag(self, forest: Forest, targets: Targets, row: Row, parent: int) -> None:
        """Lay out the tag's tokens for the shadow: its posterior, and its text on the full head."""
        index = self._tag_index[print_tag(row.label)]
        branches = {
            self._depth(self.tree.branches[number].at): (number, child)
            for number, child in self.tree.paths[index]
        }
        for depth, token in enumerate(self.spellings[index]):
            targets.shadow_at.append(parent)
            targets.shadow_token.append(token)
            if depth in branches:
                targets.branch_at.append(parent)
                targets.branch.append(branches[depth][0])
                targets.child.append(branches[depth][1])
            if not self.answers and depth >= max(branches):
                break
            parent = forest.add([token], parent)

    def _depth(self, node: int) -> int:
        depth = 1
        while (node := self.tree.parents[node]) >= 0:
            depth += 1
        return depth

    def _add_answer(self, forest: Forest, targets: Targets, row: Row, parent: int) -> None:
        """Lay out what the attached model should say: the tag and its line, or the answer."""
        if row.label == "REMOTE" and row.answer is None:
            targets.avoid_at.append(parent)
            return
        said = row.answer
        if row.label != "REMOTE":
            said = f"{print_tag(row.label)} {skill(row.label).say(row.lang)}"
        answer = self.encoder.encode_plain(said or "")
        for token in [*answer, self.encoder.end_token_id]:
            targets.base_at.append(parent)
            targets.base_token.append(token)
            parent = forest.add([token], parent)


class TagHead:
    """The base head's rows for the tags' tokens, and the softmax over each branch's children."""

    def __init__(self, tree: TagTree, head_weight: Tensor) -> None:
        """head_weight: the base head's [vocabulary, hidden]."""
        self.tree = tree
        tokens = tree.head_token_ids
        self.weight = head_weight[torch.tensor(tokens)].detach().clone().float()
        allowed = torch.full((len(tree.branches), len(tokens)), float("-inf"))
        for number, branch in enumerate(tree.branches):
            for child in branch.children:
                allowed[number, tokens.index(child)] = 0.0
        self.allowed = allowed
        self._column = {token: column for column, token in enumerate(tokens)}

    def log_softmax(self, state: Tensor, branch: Tensor) -> Tensor:
        """Return log-probabilities [n, head tokens] of states [n, hidden] at their branches [n]."""
        logits = state.float() @ self.weight.to(state.device).T
        return F.log_softmax(logits + self.allowed.to(state.device)[branch], dim=-1)

    def column(self, branch: int, child: int) -> int:
        """Return where the child's token of a branch stands among the head's tokens."""
        return self._column[self.tree.branches[branch].children[child]]

    def loss(self, state: Tensor, branch: Tensor, child: Tensor) -> Tensor:
        """Return the mean of -log P(child) at n branching nodes."""
        columns = torch.tensor(
            [
                self.column(number, index)
                for number, index in zip(branch.tolist(), child.tolist(), strict=True)
            ],
            device=state.device,
        )
        return F.nll_loss(self.log_softmax(state, branch), columns)


def batch_losses(
    model: ShadowModel, batch: dict[str, Any], tag_head: TagHead, *, joint: bool, text: bool
) -> dict[str, Tensor]:
    """Return the losses of a packed batch by name: tag, and with `joint` answer and avoid.

    text: the shadow's tag line is also learnt on the full vocabulary, so that it can be generated
    without a grammar. Logits are made at the labelled tokens only.
    """
    targets: Targets = batch["targets"]
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
    initial = model.initial_state(**inputs)
    device = initial.device
    branch, child = (torch.tensor(each, device=device) for each in (targets.branch, targets.child))
    losses = {"tag": tag_head.loss(initial[0, targets.branch_at], branch, child)}
    if text:
        wanted = torch.tensor(targets.shadow_token, device=device)
        losses["text"] = next_token_loss(model.shadow_head(initial[0, targets.shadow_at]), wanted)
    if joint:
        refined = model.refined_state(initial=initial, **inputs)
        wanted = torch.tensor(targets.base_token, device=device)
        losses["answer"] = next_token_loss(model.head(refined[0, targets.base_at]), wanted)
        if targets.avoid_at:
            begins_tag = tag_head.tree.tokens[0]
            logits = model.head(refined[0, targets.avoid_at]).float()
            probability = F.softmax(logits, dim=-1)[:, begins_tag]
            losses["avoid"] = -torch.log1p(-probability.clamp(max=1 - 1e-6)).mean()
    return losses
