"""LoRA and DoRA on the same base, data and answers as the attached shadow: what it is measured against.

The method is `peft`'s; only the packed batches and their losses are the project's.
"""

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, load_peft_weights
from peft.utils import set_peft_model_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel

from cloud_server.modeling.backbone import decoder_of, head_of
from cloud_server.training.objective import Targets, answer_losses

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def adapt(base: PreTrainedModel, rank: int, *, dora: bool, dropout: float = 0.05) -> PeftModel:
    """Return the base, frozen, with LoRA or DoRA of `rank` on every linear layer of its decoder."""
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=dropout,
        use_dora=dora,
        target_modules=MODULES,
        task_type="CAUSAL_LM",
    )
    adapted: Any = get_peft_model(base, config)
    return adapted  # type: ignore[no-any-return]


class LowRankLearner(nn.Module):
    """An adapted base as the Trainer sees it: packed batches in, weighted losses out."""

    def __init__(self, adapted: PeftModel, begins_tag: int) -> None:
        super().__init__()
        self.adapted = adapted
        self.begins_tag = begins_tag

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return `answer` and `avoid` as the attached shadow learns them."""
        targets: Targets = batch["targets"]
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
        base = self.base
        states = decoder_of(base)(**inputs, use_cache=False).last_hidden_state[0]
        return answer_losses(states, head_of(base), targets, self.begins_tag)

    @property
    def base(self) -> PreTrainedModel:
        model: Any = self.adapted
        return model.get_base_model()  # type: ignore[no-any-return]

    def save_pretrained(self, directory: str | Path) -> None:
        self.adapted.save_pretrained(str(directory))

    def load_adapter(self, directory: str | Path) -> None:
        """Put the weights that `save_pretrained` wrote into the adapted base."""
        set_peft_model_state_dict(self.adapted, load_peft_weights(str(directory), device="cpu"))
