"""`cloud-server train-lines`: fits the line head of a trained shadow to the written spoken lines."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cloud_server.modeling import ShadowModel
from cloud_server.modeling.backbone import head_weight
from cloud_server.training.base import load_training_base
from cloud_server.training.data import read_rows
from cloud_server.training.line_head import LineHead, fit
from cloud_server.training.objective import PromptForest
from cloud_server.training.packing import Forest, model_inputs
from shared.errors import ConfigurationError
from shared.prompt import PromptEncoder
from shared.tags import print_tag

BATCH_ROWS = 24


@dataclass(frozen=True)
class LineOptions:
    """How the head is fitted; `lines_per_row` lines are drawn for every training utterance.

    change_rank: fit a change of the head that is there, of that rank and in so many `steps`; it takes the
    place of the change that is there.
    """

    lines_per_row: int = 2
    requests: int = 3000
    epochs: int = 6
    batch: int = 1024
    learning_rate: float = 2e-3
    seed: int = 20260101
    change_rank: int | None = None
    steps: int = 15


def change_options(rank: int) -> LineOptions:
    """Return how a change of that rank is fitted: to half of the lines, which is enough for it."""
    return LineOptions(lines_per_row=1, learning_rate=5e-3, change_rank=rank)


@dataclass(frozen=True)
class Spoken:
    """An utterance, the tag it should get and the line that is then said, "" where none is learnt."""

    text: str
    tag: str
    line: str


def train_line_head(
    profile: str, adapter: Path, datasets: Path, options: LineOptions | None = None
) -> LineHead:
    """Fit a line head, or a change of the one that is there, on the adapter's frozen shadow and write it beside
    the adapter.

    ConfigurationError where the written lines do not cover a label of the training utterances, or have
    words that a head to be changed does not know.
    """
    options = options or LineOptions()
    loaded = load_training_base(profile, torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, adapter)
    rows = draw_rows(datasets, options)
    states, tokens = collect_states(model, loaded.encoder, rows)
    known = sorted(set(tokens.tolist()))
    start = head_weight(loaded.model)[known].detach()
    if options.change_rank:
        start, known = _known_head(adapter, known)
    column = {token: index for index, token in enumerate(known)}
    targets = torch.tensor([column[token] for token in tokens.tolist()])
    print(f"{len(states):,} tokens to learn, {len(known):,} of them distinct", flush=True)
    weight = fit(
        states,
        targets,
        start,
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        seed=options.seed,
        change_rank=options.change_rank,
        report=lambda epoch, loss: print(f"epoch {epoch}: loss {loss:.4f}", flush=True),
    )
    head = LineHead(weight, tuple(known))
    if options.change_rank:
        head.save_change(adapter, rank=options.change_rank, steps=options.steps)
    else:
        head.save(adapter)
    return head


def _known_head(adapter: Path, tokens: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Return the head beside an adapter, without its change, and its tokens, which have to include `tokens`."""
    head = LineHead.load_fitted(adapter)
    if missing := set(tokens) - set(head.token_ids):
        raise ConfigurationError(
            f"the line head at {adapter} does not know {len(missing)} of the lines' tokens; fit it whole"
        )
    return head.weight, list(head.token_ids)


def draw_rows(datasets: Path, options: LineOptions) -> list[Spoken]:
    """Return the training utterances, each with lines of its own skill and language; seeded."""
    generator = random.Random(options.seed)
    lines: dict[tuple[str, str], list[str]] = {}
    for row in read_rows(datasets / "spoken_lines.jsonl"):
        lines.setdefault((row.label, row.lang), []).append(row.text)
    rows: list[Spoken] = []
    for row in read_rows(datasets / "train_normal.jsonl"):
        if row.history:  # its last line alone ("please do") names no skill
            continue
        written = lines.get((row.label, row.lang), [])
        if len(written) < options.lines_per_row:
            raise ConfigurationError(
                f"{datasets / 'spoken_lines.jsonl'} has {len(written)} lines for {row.label} in "
                f"{row.lang}, {options.lines_per_row} are drawn; write more"
            )
        drawn = generator.sample(written, options.lines_per_row)
        rows.extend(Spoken(row.text, print_tag(row.label), line) for line in drawn)
    requests = read_rows(datasets / "train_remote_extra.jsonl")
    chosen = generator.sample(requests, min(options.requests, len(requests)))
    rows.extend(Spoken(row.text, print_tag("REMOTE"), "") for row in chosen)
    generator.shuffle(rows)
    return rows


@torch.inference_mode()
def collect_states(
    model: ShadowModel, encoder: PromptEncoder, rows: Sequence[Spoken]
) -> tuple[Tensor, Tensor]:
    """Return the shadow's states [n, hidden] and the tokens [n] that follow them.

    Learnt are the first token of every answer and, behind a skill's tag, its line to the end mark.
    """
    states, tokens = [], []
    for start in range(0, len(rows), BATCH_ROWS):
        forest, at, wanted = _lay_out(encoder, rows[start : start + BATCH_ROWS])
        initial = model.initial_state(**model_inputs(forest))  # type: ignore[arg-type]
        states.append(initial[0, at].clone())
        tokens.extend(wanted)
    return torch.cat(states), torch.tensor(tokens)


def _lay_out(encoder: PromptEncoder, rows: Sequence[Spoken]) -> tuple[Forest, list[int], list[int]]:
    prompts, at, wanted = PromptForest(encoder), [], []
    forest = prompts.forest
    for row in rows:
        parent = prompts.add_prompt(row.text)
        tag = encoder.encode_plain(row.tag)
        at.append(parent)
        wanted.append(tag[0])
        parent = forest.add(tag, parent)
        line = [*encoder.encode_plain(f" {row.line}"), encoder.end_token_id] if row.line else []
        for token in line:
            at.append(parent)
            wanted.append(token)
            parent = forest.add([token], parent)
    return forest, at, wanted
