"""Two tiny trained models: eq. 12's start beats a random projection, at once and after training on."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from cloud_server.training.pretraining import pretrain
from cloud_server.training.pretraining_recipe import PretrainingRecipe
from tests.cloud_server.training.test_pretraining import write_model

MARGIN_AT_ONCE, MARGIN_AFTER = 2.0, 0.6
"""In nats a byte. Over seeds 0 to 5 the smallest margins measured were 4.71 and 1.22."""
STEPS = 20


def sentences(seed: int, count: int) -> str:
    """Return text with an order that a tiny model can learn."""
    draw = random.Random(seed)
    who, what = ("the dog", "a robot", "my friend"), ("sits down", "turns left", "says hello")
    when = ("today", "at night", "again and again")
    chosen = ((draw.choice(who), draw.choice(what), draw.choice(when)) for _ in range(count))
    return "".join(f"{' '.join(words)}.\n" for words in chosen)


def teach(directory: Path, text: str, steps: int) -> None:
    """Train a written model on the text, as a byte-level language model."""
    model: Any = AutoModelForCausalLM.from_pretrained(directory)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        starts = torch.randint(0, len(ids) - 32, (8,), generator=draw)
        rows = torch.stack([ids[start : start + 32] for start in starts])
        optimizer.zero_grad()
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
    model.save_pretrained(directory)


def held_out_losses(root: Path, start: str, seed: int) -> dict[int, float]:
    """Return the loss of bytes that nothing was trained on, by step."""
    recipe = PretrainingRecipe.model_validate(
        {
            "base": root / "base",
            "shadow": root / "small",
            "start": start,
            "seed": seed,
            "text": {"files": [root / "more.txt"], "block_tokens": 32, "held_out_blocks": 16},
            "schedule": {"steps": STEPS, "batch_blocks": 8, "learning_rate": 3e-3},
            "record": {"evaluate_steps": STEPS, "save_steps": STEPS},
        }
    )
    run = pretrain(recipe, root / start).parent
    logged = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return {each["step"]: each["loss_held_out"] for each in logged if "loss_held_out" in each}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_warm_start_beats_a_random_projection(tmp_path: Path, seed: int) -> None:
    for name, hidden in (("base", 48), ("small", 24)):
        made = write_model(tmp_path / name, hidden, seed=seed + hidden, initializer_range=0.05)
        teach(made, sentences(seed, 200), steps=60)
    (tmp_path / "more.txt").write_text(sentences(seed + 1000, 200))
    warm, drawn = (held_out_losses(tmp_path, start, seed) for start in ("warm", "random"))
    assert warm[0] < drawn[0] - MARGIN_AT_ONCE
    assert warm[STEPS] < drawn[STEPS] - MARGIN_AFTER
