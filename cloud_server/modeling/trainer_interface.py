"""What transformers' Trainer asks of a model that is no PreTrainedModel."""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

_BASE = "base."


class TrainerInterface(nn.Module):
    """A frozen `base` and a trained `shadow_model`, which Trainer can checkpoint and train.

    The state dict leaves the base out: it is not trained, a Trainer's checkpoint would repeat its
    gigabytes, and a head tied to an embedding cannot be written by safetensors. `load_state_dict`
    asks for as much as was written and no more.
    """

    base: PreTrainedModel
    shadow_model: PreTrainedModel

    accepts_loss_kwargs = False
    """The loss is a batch's mean; Trainer divides it itself where it accumulates batches."""

    def __init__(self) -> None:
        super().__init__()
        hooked: Any = self  # torch's two methods have no types
        hooked.register_state_dict_post_hook(_leave_base_out)
        hooked.register_load_state_dict_post_hook(_miss_no_base)

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **options: Any
    ) -> None:
        """Recompute every layer's activations in the backward pass instead of keeping them.

        Arguments are transformers'. The base's layers carry the switch, so whoever else trains
        through this base object has it too, until `activation_checkpointing_disable`.
        """
        chosen = {"use_reentrant": False, **(activation_checkpointing_kwargs or {})}
        parts: tuple[Any, Any] = (self.base, self.shadow_model)
        for part in parts:
            _checkpointing(part, "enable")(chosen, **options)
            # Its hook on the embeddings serves reentrant checkpointing alone; the base keeps no hook.
            part.disable_input_require_grads()

    def activation_checkpointing_disable(self) -> None:
        """Keep activations again."""
        for part in (self.base, self.shadow_model):
            _checkpointing(part, "disable")()

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **options: Any
    ) -> None:
        """The name of `activation_checkpointing_enable` until transformers 5.20."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **options)

    def gradient_checkpointing_disable(self) -> None:
        """The name of `activation_checkpointing_disable` until transformers 5.20."""
        self.activation_checkpointing_disable()


def _checkpointing(part: PreTrainedModel, change: str) -> Any:
    """Return transformers' switch under its name of today, or of 5.20."""
    names = (f"activation_checkpointing_{change}", f"gradient_checkpointing_{change}")
    return next(getattr(part, name) for name in names if hasattr(part, name))


def _leave_base_out(
    module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: dict[str, Any]
) -> None:
    for name in [name for name in state if name.startswith(prefix + _BASE)]:
        del state[name]


def _miss_no_base(module: nn.Module, keys: Any) -> None:
    keys.missing_keys[:] = [name for name in keys.missing_keys if not name.startswith(_BASE)]
