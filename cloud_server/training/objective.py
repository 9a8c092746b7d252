"""What is learnt from a batch: the tag's posterior for the shadow, the answer for the base.

A remote request has two targets: the base's loss sees the written answer, the shadow's only the
`[REMOTE]` tag. Where no answer is written, the base learns just not to begin a tag.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.modeling.loss import next_token_loss
from cloud_server.training.data import Example, Row
from cloud_server.training.packing import Forest, model_inputs
from shared.prompt import PromptEncoder, Turn, prompt_segments
from shared.skills import skill
from shared.tag_tree import TagTree, build_tag_tree
from shared.tags import TAGS, print_tag


@dataclass
class Targets:
    """Token indices in the forest and what is to be predicted there.

    nodes: a row's branching nodes in the tree's order, one row of the batch after the other, with
    the posterior wanted of each row. base_at, base_token: the attached model's answers. avoid_at:
    where the attached model must not begin a tag.
    """

    nodes: list[int] = field(default_factory=list)
    wanted: list[tuple[float, ...]] = field(default_factory=list)
    base_at: list[int] = field(default_factory=list)
    base_token: list[int] = field(default_factory=list)
    avoid_at: list[int] = field(default_factory=list)


class PromptForest:
    """Lays prompts, and the tag tree behind each, into one packed sequence with a common beginning."""

    def __init__(self, encoder: PromptEncoder) -> None:
        self.encoder = encoder
        self.forest = Forest()
        segments = prompt_segments(encoder.chat, "")
        self._root = self.forest.add(encoder.encode_segment(segments[0]), -1)

    def add_prompt(self, text: str, history: Sequence[Turn] = ()) -> int:
        """Append the prompt of an utterance and return the index of its last token."""
        end = self._root
        for segment in prompt_segments(self.encoder.chat, text, history)[1:]:
            end = self.forest.add(self.encoder.encode_segment(segment), end)
        return end

    def add_tree(self, tree: TagTree, end: int) -> list[int]:
        """Append the tag tree behind a prompt and return the indices of its branching nodes."""
        added: list[int] = []
        for token, parent in zip(tree.tokens, tree.parents, strict=True):
            added.append(self.forest.add([token], end if parent < 0 else added[parent]))
        return [added[branch.at] for branch in tree.branches]


class BatchBuilder:
    """Turns examples into one packed sequence with its targets; a data collator for the Trainer."""

    def __init__(self, encoder: PromptEncoder, *, answers: bool, tags: bool = True) -> None:
        """answers: also lay out the base's answers (joint training). tags: the shadow's posterior."""
        self.encoder = encoder
        self.answers = answers
        self.tags = tags
        self.tree: TagTree = build_tag_tree([encoder.encode_plain(tag) for tag in TAGS])

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        prompts, targets = PromptForest(self.encoder), Targets()
        for example in examples:
            end = prompts.add_prompt(example.text, example.row.turns)
            if self.tags and not example.attached and not example.row.history:
                targets.nodes.extend(prompts.add_tree(self.tree, end))
                targets.wanted.append(example.target)
            if self.answers or example.attached:
                self._add_answer(prompts.forest, targets, example.row, end)
        return {**model_inputs(prompts.forest), "targets": targets}

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
        self._steps = [
            [
                branch * len(tokens) + tokens.index(tree.branches[branch].children[child])
                for branch, child in path
            ]
            for path in tree.paths
        ]  # for each tag: where its steps lie among all branches' tokens

    def log_posterior(self, states: Tensor) -> Tensor:
        """Return log P(tag) [rows, 35] of the states [rows * branches, hidden] at the branching nodes."""
        branches = len(self.tree.branches)
        logits = states.float() @ self.weight.to(states.device).T
        logs = F.log_softmax(
            logits.view(-1, branches, logits.shape[-1]) + self.allowed.to(states.device), dim=-1
        )
        flat = logs.flatten(1)
        return torch.stack([flat[:, steps].sum(1) for steps in self._steps], dim=1)

    def loss(self, states: Tensor, wanted: Sequence[Sequence[float]]) -> Tensor:
        """Return the mean over rows of the cross entropy of the posterior against the wanted one."""
        logs = self.log_posterior(states)
        return -(torch.tensor(wanted, device=logs.device) * logs).sum(dim=1).mean()


def batch_losses(model: ShadowModel, batch: dict[str, Any], tag_head: TagHead) -> dict[str, Tensor]:
    """Return the losses of a packed batch by name: tag, answer and avoid, as far as it has targets.

    Logits are made at the labelled tokens only, and the base runs only for what it should answer.
    """
    targets: Targets = batch["targets"]
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
    initial = model.initial_state(**inputs)
    losses = {}
    if targets.nodes:
        losses["tag"] = tag_head.loss(initial[0, targets.nodes], targets.wanted)
    if targets.base_at or targets.avoid_at:
        refined = model.refined_state(initial=initial, **inputs)
        losses |= answer_losses(refined[0], model.head, targets, tag_head.tree.tokens[0])
    return losses


def answer_losses(
    states: Tensor, head: Callable[[Tensor], Tensor], targets: Targets, begins_tag: int
) -> dict[str, Tensor]:
    """Return the losses of a model that answers: `answer` at its tokens, `avoid` where no tag may begin.

    states: [tokens, hidden] of the packed batch; begins_tag: the token that every tag begins with.
    """
    losses = {}
    if targets.base_at:
        wanted = torch.tensor(targets.base_token, device=states.device)
        losses["answer"] = next_token_loss(head(states[targets.base_at]), wanted)
    if targets.avoid_at:
        probability = F.softmax(head(states[targets.avoid_at]).float(), dim=-1)[:, begins_tag]
        losses["avoid"] = -torch.log1p(-probability.clamp(max=1 - 1e-6)).mean()
    return losses
