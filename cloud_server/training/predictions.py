"""What a trained system makes of rows, in the form of `shared/predictions.py`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from cloud_server.adapter_files import (
    LOW_RANK_NAME,
    adapter_sha256,
    read_temperature,
    read_thresholds,
    trained_parameters,
)
from cloud_server.loading import answering_format
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.backbone import cast_weights
from cloud_server.modeling.heads import cap_logits, last_states
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.calibration import fold_temperature
from cloud_server.training.data import Row, read_rows
from cloud_server.training.posterior import tag_posteriors
from cloud_server.training.thresholds import choose_thresholds
from shared.bundle import file_sha256
from shared.errors import ConfigurationError
from shared.predictions import data_marks, shorten_posterior, write_predictions
from shared.tags import REMOTE, TAGS
from shared.text import clean_utterance

System = Literal["detached", "attached", "low_rank"]
ANSWER_TOKENS = 48
CHOSEN_ON = ("calibration", "calibration_late", "calibration_plain")
"""The files that thresholds are chosen on (`gemma-270m-on`)."""


@dataclass(frozen=True)
class Answer:
    """What an answering model said, tag and all, and the probability of its first token.

    tag_probability: that it begins a tag. cut: whether it had not ended after the tokens it was given.
    """

    probability: float
    tag_probability: float
    said: str
    cut: bool


def load_system(
    system: System, profile: str, adapter: Path, dtype: torch.dtype
) -> tuple[TrainingBase, Any]:
    """Return the base and the model of a trained adapter, on the GPU where there is one.

    LoRA and DoRA are merged into the base, in fp32, as they would be to be served.
    """
    loaded = load_training_base(profile, torch.float32 if system == "low_rank" else dtype)
    if torch.cuda.is_available():
        loaded.model.to("cuda")  # type: ignore[arg-type]
    if system != "low_rank":
        return loaded, ShadowModel.from_pretrained(loaded.model, adapter).eval()
    from peft import PeftModel

    adapted: Any = PeftModel.from_pretrained(loaded.model, str(adapter))
    merged = adapted.merge_and_unload().eval()
    cast_weights(merged, dtype)
    return loaded, merged


def predict(
    system: System,
    profile: str,
    adapter: Path,
    rows: Sequence[Row],
    *,
    answer_tokens: int = ANSWER_TOKENS,
    temperature: float = 1.0,
) -> Iterator[dict[str, Any]]:
    """Yield one object a row, in order; detached in fp32, answering models in bf16 where the machine has it.

    temperature: divides a detached shadow's logits, beyond what is in its weights.
    """
    dtype = torch.float32 if system == "detached" else answering_format()
    loaded, model = load_system(system, profile, adapter, dtype)
    if system == "detached":
        fold_temperature(model, temperature)
        texts = [clean_utterance(row.text) for row in rows]
        for row, posterior in zip(
            rows, tag_posteriors(model, loaded.encoder, texts).tolist(), strict=True
        ):
            yield {
                "id": row.id,
                "posterior": shorten_posterior(zip(TAGS, posterior, strict=True)),
            }
        return
    step = attached_step(model) if system == "attached" else low_rank_step(model)
    for row, answer in zip(rows, answer_rows(step, loaded, rows, answer_tokens), strict=True):
        yield {
            "id": row.id,
            "probability": round(answer.probability, 6),
            "tag_probability": round(answer.tag_probability, 6),
            "said": answer.said,
            **({"cut": True} if answer.cut else {}),
        }


Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(new tokens [batch, n], cache or None) -> (last logits [batch, vocabulary], cache)."""


def attached_step(model: ShadowModel) -> Step:
    """Return one step of the attached model, for rows of one length."""

    def step(tokens: Tensor, cache: Any) -> tuple[Tensor, Any]:
        cache = cache or model.new_cache()
        output = model(tokens, None, cache, logits_to_keep=1, shadow_logits=False)
        assert output.logits is not None
        return output.logits[:, -1], cache

    return step


def low_rank_step(model: Any) -> Step:
    """Return one step of an adapted or bare base, for rows of one length.

    The head gets a copy of the last states: transformers' own `logits_to_keep` gives it a slice, for
    which torch's CPU kernel copies the head once a row (64 rows of 56 tokens: 86 s and 22 GB).
    """
    decoder, head = model.get_decoder(), model.get_output_embeddings()

    def step(tokens: Tensor, cache: Any) -> tuple[Tensor, Any]:
        output = decoder(input_ids=tokens, past_key_values=cache, use_cache=True)
        logits = head(last_states(output.last_hidden_state, 1))[:, -1]
        return cap_logits(logits, model.config), output.past_key_values

    return step


@torch.inference_mode()
def answer_rows(
    step: Step,
    loaded: TrainingBase,
    rows: Sequence[Row],
    most_tokens: int,
    *,
    batch_rows: int = 64,
) -> list[Answer]:
    """Return the greedy answer to every row; rows whose prompts are equally long share a batch."""
    prompts = [loaded.encoder.encode_prompt(clean_utterance(row.text), row.turns) for row in rows]
    answers: dict[int, Answer] = {}
    order = sorted(range(len(rows)), key=lambda index: len(prompts[index]))
    start = 0
    while start < len(order):
        length = len(prompts[order[start]])
        batch = [i for i in order[start : start + batch_rows] if len(prompts[i]) == length]
        start += len(batch)
        answers.update(
            zip(
                batch,
                _answer_batch(step, loaded, [prompts[i] for i in batch], most_tokens),
                strict=True,
            )
        )
    return [answers[index] for index in range(len(rows))]


def _answer_batch(
    step: Step, loaded: TrainingBase, prompts: list[list[int]], most_tokens: int
) -> Iterator[Answer]:
    device, end = loaded.model.device, loaded.encoder.end_token_id
    begins_tag = loaded.encoder.encode_plain(REMOTE)[0]  # as every tag does
    tokens, cache = torch.tensor(prompts, device=device), None
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    said, first, tag = [], None, None
    for _ in range(most_tokens):
        logits, cache = step(tokens, cache)
        if first is None:
            probabilities = logits.float().softmax(-1)
            first, tag = probabilities.amax(-1), probabilities[:, begins_tag]
        tokens = logits.argmax(-1, keepdim=True)
        said.append(torch.where(ended[:, None], end, tokens))
        ended |= tokens[:, 0] == end
        if bool(ended.all()):
            break
    assert first is not None
    assert tag is not None
    answers = zip(torch.cat(said, 1).tolist(), first.tolist(), tag.tolist(), strict=True)
    for ids, probability, begins in answers:
        kept = ids[: ids.index(end)] if end in ids else ids
        yield Answer(probability, begins, loaded.tokenizer.decode(kept), end not in ids)


def predict_files(
    system: System,
    profile: str,
    adapter: Path,
    files: Sequence[Path],
    out: Path,
    *,
    answer_tokens: int = ANSWER_TOKENS,
    uncalibrated: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> int:
    """Write the predictions for the rows of several files to `out`; return how many rows they are.

    uncalibrated: a detached shadow as it was before its temperature was folded in, with thresholds chosen for it
    (`_own_thresholds`). notes: what else is known of the system.
    """
    if uncalibrated and (system != "detached" or not any(each.stem in CHOSEN_ON for each in files)):
        raise ConfigurationError(
            "only a detached shadow is calibrated; without its temperature its thresholds are chosen anew: "
            f"give {', '.join(CHOSEN_ON)}, too"
        )
    read = [(path, read_rows(path)) for path in files]
    rows = [row for _, each in read for row in each]
    about = {**(notes or {}), "system": system, "profile": profile, "rows": len(rows)}
    about |= {"data": data_marks(files), **_made_on(system, adapter)}
    temperature = 1 / read_temperature(adapter) if uncalibrated else 1.0
    if system == "detached":
        about |= {"thresholds": read_thresholds(adapter), "calibrated": not uncalibrated}
    else:
        about["answer_tokens"] = answer_tokens
    predictions = predict(
        system, profile, adapter, rows, answer_tokens=answer_tokens, temperature=temperature
    )
    if uncalibrated:
        found = list(predictions)
        chosen_on = [row for path, each in read if path.stem in CHOSEN_ON for row in each]
        about["thresholds"], predictions = _own_thresholds(chosen_on, found), iter(found)
    write_predictions(out, about, predictions)
    return len(rows)


def _made_on(system: System, adapter: Path) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "trained_parameters": trained_parameters(adapter),
        "adapter_sha256": _mark(system, adapter),
    }


def _mark(system: System, adapter: Path) -> str:
    """Return the hash of what answered: for a shadow the one that an edge's bundle names."""
    if system == "low_rank":
        return file_sha256(adapter / LOW_RANK_NAME)
    return adapter_sha256(adapter)


def _own_thresholds(
    rows: Sequence[Row], predictions: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the thresholds that the rule chooses on the predictions for these rows."""
    posteriors = {each["id"]: each["posterior"] for each in predictions}
    full = [[posteriors[row.id].get(tag, 0.0) for tag in TAGS] for row in rows]
    return choose_thresholds(torch.tensor(full), rows).thresholds
