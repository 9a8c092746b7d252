"""`cloud-server evaluate`: the attached or the detached model on labelled rows, in the edge's report."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch

from cloud_server.adapter_files import adapter_sha256, read_thresholds
from cloud_server.loading import answering_format, fetch_adapter
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.network import Mode
from cloud_server.profiles import ModelPlaces
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.posterior import tag_posteriors
from cloud_server.training.thresholds import decide
from shared.bundle import fingerprint, text_sha256
from shared.prompt import prompt_sha256
from shared.report import Item, LabelledRow, percentile, summarise
from shared.tags import split_answer
from shared.text import clean_utterance

ATTACHED_TOKENS = 8
"""The attached model's tag is complete within these; the rest of an answer is not graded here."""


def evaluate(
    rows: Sequence[LabelledRow],
    places: ModelPlaces,
    profile: str,
    mode: Mode,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Return CONTRACT.md's report. detached: posterior and thresholds, in fp32; attached: the tag
    that the greedy answer begins with, in bf16 where the machine has it; there is no reflex in either."""
    dtype = torch.float32 if mode == "detached" else answering_format()
    directory = fetch_adapter(places.adapter)
    thresholds = read_thresholds(directory) if mode == "detached" else {}
    loaded = load_training_base(profile, dtype, places.base)
    model = ShadowModel.from_pretrained(loaded.model, directory, shadow=places.shadow)
    if torch.cuda.is_available():
        model.to("cuda")
    items: list[Item] = []
    durations_ms: list[float] = []
    for number, row in enumerate(rows, 1):
        started = time.perf_counter()
        said = clean_utterance(row.text)
        if mode == "detached":
            posterior = tag_posteriors(model, loaded.encoder, [said])[0]
            predicted, probability = decide(posterior, thresholds)
        else:
            predicted, probability = _attached(model, loaded, said)
        durations_ms.append(1000 * (time.perf_counter() - started))
        items.append(Item(row.text, row.label, predicted, probability, predicted != "REMOTE"))
        progress(number)
    chat = loaded.encoder.chat
    tokenizer_sha256 = text_sha256(loaded.tokenizer.to_str(pretty=False))
    mark = fingerprint(adapter_sha256(directory), tokenizer_sha256, prompt_sha256(chat))
    return {
        **summarise(rows, items),
        "ms": {"p50": percentile(durations_ms, 50), "p95": percentile(durations_ms, 95)},
        "bundle": {"name": f"{profile} {mode}", "fingerprint": mark},
        "items": [asdict(item) for item in items],
    }


def _attached(model: ShadowModel, loaded: TrainingBase, text: str) -> tuple[str, float]:
    """Return the label of the attached model's answer and the probability of its first token."""
    prompt = torch.tensor([loaded.encoder.encode_prompt(text)], device=loaded.model.device)
    end = loaded.encoder.end_token_id
    with torch.inference_mode():
        output = model(prompt, logits_to_keep=1, shadow_logits=False)
        assert output.logits is not None
        probability = float(output.logits[0, -1].float().softmax(-1).max())
    ids = model.generate(prompt, max_new_tokens=ATTACHED_TOKENS, end_token_ids=(end,))
    answer = loaded.tokenizer.decode(ids[0, prompt.shape[1] :].tolist())
    name, _ = split_answer(answer)
    return name or "REMOTE", probability
