"""The frozen base and the prompt encoder that training, evaluation and export of a profile use."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from cloud_server.loading import (
    GEMMA_MARKS,
    fetch_base,
    make_byte_tokenizer,
    make_tiny,
    read_tokenizer,
)
from cloud_server.modeling import load_causal_lm
from cloud_server.modeling.backbone import cast_weights
from cloud_server.profiles import find_profile
from shared.prompt import GEMMA, PromptEncoder


@dataclass(frozen=True)
class TrainingBase:
    """A base in `dtype` with what encodes its prompts; `tokenizer` is the one an export carries."""

    name: str
    model: PreTrainedModel
    encoder: PromptEncoder
    tokenizer: Tokenizer


def load_base_to_train(profile_name: str) -> TrainingBase:
    """Return the profile's base in fp32, on the GPU where there is one: the Trainer moves what it trains there."""
    loaded = load_training_base(profile_name, torch.float32)
    if torch.cuda.is_available():
        loaded.model.to("cuda")  # type: ignore[arg-type]
    return loaded


def load_training_base(
    profile_name: str, dtype: torch.dtype, place: str | Path | None = None
) -> TrainingBase:
    """Return the profile's base, or that of `place`.

    BaseUnavailable where it is not prepared, CheckpointMismatch where it is not whole.
    """
    if profile_name == "tiny":
        tiny = make_tiny().model.base
        cast_weights(tiny, dtype)
        control, plain = make_byte_tokenizer(GEMMA_MARKS), make_byte_tokenizer(GEMMA_MARKS)
        encoder = PromptEncoder(control, plain, GEMMA)
        return TrainingBase("tiny", tiny, encoder, control)
    profile = find_profile(profile_name)
    directory = fetch_base(profile.places(place).base)
    control, plain = (read_tokenizer(directory / "tokenizer.json") for _ in range(2))
    model = load_causal_lm(directory, dtype)
    return TrainingBase(profile.base, model, PromptEncoder(control, plain, profile.chat), control)
