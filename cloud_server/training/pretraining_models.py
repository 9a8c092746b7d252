"""What a pretraining starts from: the small model, the base's head and vocabulary, the projection."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from cloud_server.modeling.heads import language_head_of
from cloud_server.modeling.projected import PROJECTED_KIND, model_kind
from cloud_server.modeling.warm_start import warm_start
from cloud_server.training.corpus import Encoding, file_sha256
from cloud_server.training.pretraining_recipe import PretrainingRecipe, TextSection
from shared.errors import BaseUnavailable, ModelError

INDEX_NAME = "model.safetensors.index.json"
WHOLE_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer.json"


@dataclass(frozen=True)
class Start:
    """The projection's beginning: eq. 12's rank and residual, None where it was drawn at random."""

    start: Literal["warm", "random"]
    rank: int | None
    residual: float | None


@dataclass(frozen=True)
class PretrainingModels:
    """shadow: the small CausalLM. head: the base's frozen W_large, an `nn.Linear` from its hidden
    size to its vocabulary. Both in fp32."""

    shadow: PreTrainedModel
    head: nn.Linear
    base_config: PretrainedConfig
    encoding: Encoding


def load_models(recipe: PretrainingRecipe) -> PretrainingModels:
    """Return the models of a recipe; of the base only its head is read.

    BaseUnavailable for a missing directory, ModelError where the two are not of one vocabulary.
    """
    base_config, shadow_config = (_read_config(path) for path in (recipe.base, recipe.shadow))
    refuse_other_vocabulary(recipe.base, recipe.shadow)
    head = read_head(recipe.base, base_config)
    shadow: Any = AutoModelForCausalLM.from_pretrained(
        recipe.shadow, config=shadow_config, dtype=torch.float32, local_files_only=True
    )
    encoding = read_encoding(recipe.base, base_config, head.out_features, recipe.text)
    return PretrainingModels(shadow, head, base_config.get_text_config(), encoding)


def _read_config(directory: Path) -> PretrainedConfig:
    if not (directory / "config.json").is_file():
        raise BaseUnavailable(f"{directory} is no model's directory: it has no config.json")
    if model_kind(directory) == PROJECTED_KIND:
        raise ModelError(
            f"{directory} is a projected shadow already; a pretraining starts from a plain CausalLM, "
            "and goes on with --resume in its own folder"
        )
    config: PretrainedConfig = AutoConfig.from_pretrained(directory, local_files_only=True)
    return config


def refuse_other_vocabulary(base: Path, shadow: Path) -> None:
    """Raise ModelError where the two directories' tokenizers give a token different numbers.

    A shadow's directory without a tokenizer passes: its head's size is compared later.
    """
    if not (shadow / TOKENIZER_NAME).is_file():
        return
    ours, theirs = (
        Tokenizer.from_file(str(path / TOKENIZER_NAME)).get_vocab() for path in (base, shadow)
    )
    differing = sorted(
        token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token)
    )
    if differing:
        token = differing[0]
        raise ModelError(
            f"{base} and {shadow} have different vocabularies: {len(differing)} tokens differ, such "
            f"as {token!r}, number {ours.get(token)} in the base and {theirs.get(token)} in the "
            "shadow; a shadow reads the base's token numbers, so both need one vocabulary"
        )


def read_head(directory: Path, config: PretrainedConfig) -> nn.Linear:
    """Return a model directory's head in fp32, reading no other tensor.

    The tensor's name is asked of the model's class; a tied head is found under the embeddings'.
    ModelError where the directory's safetensors have it under none of its names, or where the
    logits are more than the head's product.
    """
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):
        empty: PreTrainedModel = auto.from_config(config)
    wanted = language_head(empty).weight
    names = [
        name for name, each in empty.named_parameters(remove_duplicate=False) if each is wanted
    ]
    files = _tensor_files(directory)
    name = next((each for each in names if each in files), None)
    if name is None:
        raise ModelError(
            f"{directory} has no safetensors with {' or '.join(names)}; save it as such"
        )
    with safe_open(str(directory / files[name]), framework="pt") as stream:
        found: Tensor = stream.get_tensor(name)
    if found.shape != wanted.shape:
        raise ModelError(f"{directory}: {name} is {tuple(found.shape)}, not {tuple(wanted.shape)}")
    head = nn.Linear(found.shape[1], found.shape[0], bias=False, device="meta")
    head.weight = nn.Parameter(found.float(), requires_grad=False)
    return head


def language_head(model: PreTrainedModel) -> nn.Linear:
    """Return a CausalLM's head; ModelError where its logits are more than the head's product."""
    head = cast(nn.Linear, language_head_of(model, ()))
    if getattr(head, "bias", None) is not None:
        raise ModelError(f"the head of this {type(model).__name__} has a bias; not supported")
    return head


def _tensor_files(directory: Path) -> dict[str, str]:
    """Return the file of every tensor in a directory's safetensors, whole or in shards."""
    if (directory / INDEX_NAME).is_file():
        index = json.loads((directory / INDEX_NAME).read_text(encoding="utf-8"))
        return dict(index["weight_map"])
    if (directory / WHOLE_NAME).is_file():
        with safe_open(str(directory / WHOLE_NAME), framework="pt") as stream:
            return dict.fromkeys(stream.keys(), WHOLE_NAME)
    return {}


def read_encoding(
    base: Path, config: PretrainedConfig, vocabulary: int, text: TextSection
) -> Encoding:
    """Return how the base's tokenizer encodes documents: its begin token, where it has a habit of
    one, and `text.end_token` or else the configuration's end of text.

    ModelError where there is no such end token.
    """
    path = base / TOKENIZER_NAME
    if not path.is_file():
        raise BaseUnavailable(f"no tokenizer at {path}")
    tokenizer = Tokenizer.from_file(str(path))
    text_config: Any = config.get_text_config()
    end = text_config.eos_token_id
    end = end[0] if isinstance(end, list) else end
    if text.end_token is not None:
        end = tokenizer.token_to_id(text.end_token)
    if end is None:
        raise ModelError(
            f"{base} has no token {text.end_token or 'eos_token_id'} to end a document with; "
            "name one as text.end_token"
        )
    begin = text_config.bos_token_id
    opens = begin is not None and begin in tokenizer.encode("").ids
    return Encoding(
        tokenizer=tokenizer,
        tokenizer_sha256=file_sha256(path),
        vocabulary=vocabulary,
        begin=(begin,) if opens else (),
        end=(end,),
        separator=text.separator,
    )


def make_projection(
    models: PretrainingModels, recipe: PretrainingRecipe
) -> tuple[nn.Linear, Start]:
    """Return P [base hidden, shadow hidden] in fp32 and how it began (eq. 12, or at random)."""
    shadow_head = language_head(models.shadow).weight
    torch.manual_seed(recipe.seed)
    projection = nn.Linear(shadow_head.shape[1], models.head.in_features, bias=False)
    if recipe.start == "random":
        return projection, Start("random", None, None)
    found = warm_start(models.head.weight, shadow_head)
    with torch.no_grad():
        projection.weight.copy_(found.weight)
    return projection, Start("warm", found.rank, found.residual)
