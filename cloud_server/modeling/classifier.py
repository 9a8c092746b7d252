"""ShadowSequenceClassifier: a sequence classifier with a shadow beside it (eq. 9)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from cloud_server.modeling.backbone import decoder_of
from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.heads import CLASSIFIER_HEADS, classifier_head_of
from cloud_server.modeling.loss import class_loss, joint_loss
from cloud_server.modeling.network import Mode, ShadowNetwork, check_mode, token_positions
from shared.errors import ConfigurationError, DataError


@dataclass
class ClassifierOutput(ModelOutput):
    """Logits are [batch, classes]; None where they were not asked for."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    shadow_logits: Tensor | None = None


class ShadowSequenceClassifier(ShadowNetwork):
    """A *ForSequenceClassification of transformers with a shadow, for one class out of several.

    Both heads are trained and saved, each a copy of the base's own, unless `modules_to_save` names
    only one of them; the other then stays the base's, frozen.
    """

    KNOWN_HEADS = CLASSIFIER_HEADS
    DEFAULT_HEADS = CLASSIFIER_HEADS

    def _base_head(self) -> nn.Module:
        if (self.base.config.num_labels or 0) < 2:
            raise ConfigurationError("a classifier needs at least two classes (num_labels)")
        return classifier_head_of(self.base)

    def head_module(self, name: str) -> nn.Module:
        """Return what a classifier head is: the trained copy, else the base's head."""
        return self.saved_heads[name] if name in self.saved_heads else classifier_head_of(self.base)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: ShadowCache | None = None,
        *,
        mode: Mode = "attached",
        labels: Tensor | None = None,
        shadow_loss_weight: float = 0.05,
    ) -> ClassifierOutput:
        """Return the class logits of each row, read at its last token that is no padding.

        attention_mask: [batch, seen + new tokens], 0 at padding on the left or on the right;
        without one, the base's pad token is padding, where it has one. labels: classes [batch];
        with them the loss is CE(base) + weight · CE(shadow) (eq. 9), in detached mode the shadow's
        alone. DataError for labels of another form and for a row without tokens, ConfigurationError
        for another mode.
        """
        check_mode(mode)
        positions = token_positions(input_ids, attention_mask)
        initial = self.initial_state(input_ids, attention_mask, cache, positions)
        last = last_positions(input_ids, attention_mask, self._pad_token_id())
        shadow_logits = self.head_module("shadow_classifier_head")(_pool(initial, last))
        if mode == "detached":
            loss = None if labels is None else class_loss(shadow_logits, _classes(labels))
            return ClassifierOutput(loss, None, shadow_logits)
        refined = self.refined_state(input_ids, initial, attention_mask, cache, positions)
        logits = self.head_module("classifier_head")(_pool(refined, last))
        loss = None
        if labels is not None:
            losses = [class_loss(each, _classes(labels)) for each in (logits, shadow_logits)]
            loss = joint_loss(losses[0], losses[1], shadow_loss_weight)
        return ClassifierOutput(loss, logits, shadow_logits)

    def _pad_token_id(self) -> int | None:
        found: int | None = getattr(decoder_of(self.base).config, "pad_token_id", None)
        return found


def last_positions(
    input_ids: Tensor, attention_mask: Tensor | None, pad_token_id: int | None
) -> Tensor:
    """Return where each row of `input_ids` [batch, new tokens] has its last token that is no padding.

    DataError for a row without one.
    """
    tokens = input_ids.shape[1]
    if attention_mask is not None:
        real = attention_mask[:, -tokens:].bool()
    elif pad_token_id is not None:
        real = input_ids != pad_token_id
    else:
        return torch.full((len(input_ids),), tokens - 1, device=input_ids.device)
    if not bool(real.any(dim=1).all()):
        raise DataError("a row to classify has nothing but padding")
    return (torch.arange(tokens, device=input_ids.device) * real).argmax(dim=1)


def _pool(state: Tensor, last: Tensor) -> Tensor:
    """Return one state [batch, hidden] of each row of [batch, tokens, hidden]."""
    return state[torch.arange(len(state), device=state.device), last]


def _classes(labels: Tensor) -> Tensor:
    if labels.dim() != 1 or labels.is_floating_point():
        raise DataError("labels of a classifier are whole class numbers, one a row")
    return labels
