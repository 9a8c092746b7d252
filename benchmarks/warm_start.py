"""Eq. 12's warm start against random projections: the loss at once and after further pretraining.

Two small language models of different widths are trained on the requests of `datasets/`; then the
narrow one becomes the shadow of the wide one's frozen head, and is pretrained further from three
projections: eq. 12's, torch's random one, and a random one as large as eq. 12's. Blocks held out of
every training give the losses, in nats a token. One run a seed, which decides weights and order.

Prints a table for people, then one line of JSON. `--gemma` takes the head of the prepared Gemma 3
270M instead of a trained one, cut to the tokens that the text uses. `--full` takes more seeds.
"""

import argparse
import contextlib
import copy
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from torch.utils.data import DataLoader
from transformers import AutoConfig, Qwen3Config, Qwen3ForCausalLM

from cloud_server.modeling.warm_start import warm_start
from cloud_server.prepare import prepare_base
from cloud_server.training.corpus import Blocks, Encoding, hold_out, lay_out, open_corpus
from cloud_server.training.pretrainer import NextTokenLoss, run_pretraining
from cloud_server.training.pretraining_models import read_encoding, read_head
from cloud_server.training.pretraining_recipe import PretrainingRecipe, TextSection
from cloud_server.training.text_files import read_pieces
from cloud_server.training.trainer import LOG_NAME

ROOT = Path(__file__).resolve().parents[1]
TEXT = [
    ROOT / "datasets" / name for name in ("train_remote_extra.jsonl", "train_remote_base.jsonl")
]
END = "<end>"
VOCABULARY = 1024
BASE_HIDDEN, SMALL_HIDDEN = 128, 64
BLOCK_TOKENS, BATCH_BLOCKS, HELD_OUT = 64, 16, 32
RATE = 4e-3
STARTS = ("warm", "random", "random, scaled")


@dataclass(frozen=True)
class Setting:
    """The text, how long each part trains, and the base's head where it is not trained here."""

    tokens: Path
    vocabulary: int
    head: nn.Linear | None
    steps: int
    further_steps: int


def train_language_model(setting: Setting, hidden: int, layers: int, seed: int) -> Any:
    """Return a small decoder trained whole on the blocks that are not held out."""
    torch.manual_seed(seed)
    heads = hidden // 32
    model: Any = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=setting.vocabulary,
            hidden_size=hidden,
            intermediate_size=3 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=32,
            max_position_embeddings=BLOCK_TOKENS,
            tie_word_embeddings=True,
        )
    )
    learnt, _ = hold_out(setting.tokens, BLOCK_TOKENS, HELD_OUT, seed)
    order = lay_out(learnt, setting.steps * BATCH_BLOCKS, seed)
    loader = DataLoader(Blocks(setting.tokens, BLOCK_TOKENS, order), batch_size=BATCH_BLOCKS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=setting.steps)
    for batch in loader:
        optimizer.zero_grad()
        model(input_ids=batch["input_ids"], labels=batch["input_ids"]).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def make_projections(small: Any, head: nn.Linear) -> tuple[dict[str, nn.Linear], float]:
    """Return a projection for each start, and the residual of eq. 12's."""
    found = warm_start(head.weight, small.lm_head.weight)
    made = {}
    for start in STARTS:
        made[start] = nn.Linear(small.config.hidden_size, head.in_features, bias=False)
    drawn = made["random"].weight.detach()
    with torch.no_grad():
        made["warm"].weight.copy_(found.weight)
        made["random, scaled"].weight.copy_(drawn * found.weight.norm() / drawn.norm())
    return made, found.residual


def pretrain_further(
    small: Any, projection: nn.Linear, head: nn.Linear, setting: Setting, seed: int
) -> dict[int, float]:
    """Return the loss held out by step, as `cloud-server pretrain-shadow` logs it."""
    recipe = PretrainingRecipe.model_validate(
        {
            "base": "base",
            "shadow": "shadow",
            "seed": seed,
            "text": {"files": TEXT, "block_tokens": BLOCK_TOKENS, "held_out_blocks": HELD_OUT},
            "schedule": {
                "steps": setting.further_steps,
                "batch_blocks": BATCH_BLOCKS,
                "learning_rate": RATE / 4,
            },
            "record": {"evaluate_steps": setting.further_steps // 4, "save_steps": 10**6},
        }
    )
    learnt, kept = hold_out(setting.tokens, BLOCK_TOKENS, HELD_OUT, seed)
    order = lay_out(learnt, setting.further_steps * BATCH_BLOCKS, seed + 1000)
    training, held_out = (Blocks(setting.tokens, BLOCK_TOKENS, each) for each in (order, kept))
    shadow = copy.deepcopy(small.base_model)
    shadow.get_input_embeddings().requires_grad_(False)
    objective = NextTokenLoss(shadow, projection, head, small.config)
    with tempfile.TemporaryDirectory() as run, contextlib.redirect_stdout(sys.stderr):
        run_pretraining(objective, training, held_out, recipe, Path(run))
        entries = [json.loads(line) for line in (Path(run) / LOG_NAME).open(encoding="utf-8")]
    return {each["step"]: each["loss_held_out"] for each in entries if "loss_held_out" in each}


def compare(setting: Setting, seed: int) -> dict[str, Any]:
    """Return one seed's losses: the two models' own, and each start's by step."""
    head = setting.head or train_language_model(setting, BASE_HIDDEN, 3, seed).lm_head
    small = train_language_model(setting, SMALL_HIDDEN, 2, seed + 100)
    projections, residual = make_projections(small, head)
    _, kept = hold_out(setting.tokens, BLOCK_TOKENS, HELD_OUT, seed)
    blocks = Blocks(setting.tokens, BLOCK_TOKENS, kept)
    own = NextTokenLoss(small.base_model, nn.Identity(), small.lm_head, small.config).eval()
    with torch.no_grad():
        losses = [float(own(blocks[each]["input_ids"][None])) for each in range(len(blocks))]
    small.requires_grad_(True)
    result: dict[str, Any] = {"seed": seed, "residual": residual}
    result["small model's own head"] = statistics.mean(losses)
    for start, projection in projections.items():
        result[start] = pretrain_further(small, projection, head, setting, seed)
    return result


def text_pieces() -> Iterator[str]:
    """Yield the documents of the text."""
    for path in TEXT:
        yield from (piece for piece in read_pieces(path, None, lambda raw: None) if piece)


def trained_setting(folder: Path) -> Setting:
    """Return the default setting: a vocabulary made of the text, a base that is trained here."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text_pieces(), trainer)
    encoding = Encoding(tokenizer, "made here", VOCABULARY, (), (tokenizer.token_to_id(END),))
    return Setting(open_corpus(TEXT, encoding, folder), VOCABULARY, None, 400, 100)


def gemma_setting(folder: Path) -> Setting:
    """Return Gemma 3 270M's head and tokenizer, cut to the tokens that the text uses."""
    base = prepare_base()
    config = AutoConfig.from_pretrained(base)
    whole = read_head(base, config)
    tokens = open_corpus(
        TEXT, read_encoding(base, config, whole.out_features, TextSection(files=TEXT)), folder
    )
    used, numbers = np.unique(np.fromfile(tokens, dtype="<u4"), return_inverse=True)
    cut = folder / "cut.u32"
    numbers.astype("<u4").tofile(cut)
    head = nn.Linear(whole.in_features, len(used), bias=False).requires_grad_(False)
    head.weight.copy_(whole.weight[torch.from_numpy(used.astype(np.int64))])
    return Setting(cut, len(used), head, 300, 40)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gemma", action="store_true", help="the real head of Gemma 3 270M")
    parser.add_argument("--full", action="store_true", help="five seeds instead of three")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(5 if options.full else 3)
    with tempfile.TemporaryDirectory() as folder:
        setting = (gemma_setting if options.gemma else trained_setting)(Path(folder))
        runs = [compare(setting, seed) for seed in seeds]
    report(runs, setting, "gemma-3-270m" if options.gemma else "trained here")


def report(runs: list[dict[str, Any]], setting: Setting, base: str) -> None:
    """Print mean and range over the seeds by start and step, then the JSON line."""
    steps = list(runs[0]["warm"])
    own = [run["small model's own head"] for run in runs]
    print(
        f"base: {base}; vocabulary {setting.vocabulary}; {len(runs)} seeds; nats a token held out"
    )
    print(f"{'small model, own head':22} {spread(own)}")
    print(f"{'then, after steps':22} " + " ".join(f"{step:>21}" for step in steps))
    for start in STARTS:
        cells = [spread([run[start][step] for run in runs]) for step in steps]
        print(f"{start:22} " + " ".join(f"{cell:>21}" for cell in cells))
    margins = [
        {step: min(run[start][step] for start in STARTS[1:]) - run["warm"][step] for step in steps}
        for run in runs
    ]
    smallest = {str(step): min(margin[step] for margin in margins) for step in steps}
    print(
        json.dumps(
            {
                "benchmark": "warm_start",
                "base": base,
                "seeds": len(runs),
                "residual": statistics.mean(run["residual"] for run in runs),
                "smallest_margin_by_step": smallest,
                "runs": runs,
            }
        )
    )


def spread(values: list[float]) -> str:
    """Return mean and range."""
    return f"{statistics.mean(values):.2f} ({min(values):.2f}..{max(values):.2f})"


if __name__ == "__main__":
    main()
