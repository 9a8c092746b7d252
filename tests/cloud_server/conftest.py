"""A stand-in model that says what it is told to, and the clock that tests turn by hand."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

from cloud_server.engine import ServedBase
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer
from shared.prompt import GEMMA, PromptEncoder


@dataclass
class ScriptedCache:
    """The tokens that are left to say, and how many steps were made."""

    left: Iterator[int]
    steps: int = 0


@dataclass
class ScriptedModel:
    """Says the same tokens to every prompt; `before_step` runs on the owner thread before each."""

    tokens: list[int]
    endless: bool
    vocabulary_size: int
    before_step: Callable[[], None] = lambda: None
    caches: list[ScriptedCache] = field(default_factory=list)
    calls: list[ScriptedCache] = field(default_factory=list)

    def new_cache(self) -> ScriptedCache:
        self.caches.append(
            ScriptedCache(itertools.cycle(self.tokens) if self.endless else iter(self.tokens))
        )
        return self.caches[-1]

    def __call__(self, input_ids, attention_mask=None, cache=None, **options):
        self.before_step()
        self.calls.append(cache)
        cache.steps += 1
        logits = torch.zeros(1, 1, self.vocabulary_size)
        logits[0, 0, next(cache.left)] = 1
        return SimpleNamespace(logits=logits)


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pass_one_second(self) -> None:
        self.now_s += 1


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny models gain nothing from more, and wait for each other's threads on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scripted() -> Callable[..., ServedBase]:
    """Return a maker of served models that answer with a fixed text, byte by byte."""

    def make(answer: str, *, endless: bool = False) -> ServedBase:
        control, plain = make_byte_tokenizer(GEMMA_MARKS), make_byte_tokenizer(GEMMA_MARKS)
        end = control.token_to_id(GEMMA.end)
        tokens = control.encode(answer, add_special_tokens=False).ids
        return ServedBase(
            name="scripted",
            base_name="scripted-base",
            model=ScriptedModel(
                tokens if endless else [*tokens, end], endless, control.get_vocab_size()
            ),
            encoder=PromptEncoder(control, plain, GEMMA),
            tokenizer=control,
            stop_token_ids=frozenset({end}),
            device=torch.device("cpu"),
        )

    return make
