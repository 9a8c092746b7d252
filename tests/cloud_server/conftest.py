"""A stand-in model that says what it is told to, a clock that tests turn by hand, and a real server."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch
import uvicorn

from cloud_server.engine import ServedBase
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer
from shared.prompt import GEMMA, PromptEncoder

GUARD_S = 30
"""Ends a test that would hang; no test is measured by it."""
GRACE_S = 1


@dataclass
class ScriptedAnswer:
    """The tokens that are left to say, and how many were asked for; `slots` is whose answer it is."""

    slots: torch.Tensor
    left: Iterator[int]
    steps: int = 0


@dataclass
class ScriptedModel:
    """Says the same tokens to every prompt; `before_step` runs on the owner thread before each step
    in which an answer's next token is wanted.

    answers: one a request, in the order of their first steps. calls: the answers that were asked
    for a token, in order.
    """

    tokens: list[int]
    endless: bool
    vocabulary_size: int
    context_tokens: int = 1_000_000_000_000
    slot_bytes: int = 1
    before_step: Callable[[], None] = lambda: None
    shadows: dict[str, object] = field(default_factory=dict)
    answers: list[ScriptedAnswer] = field(default_factory=list)
    calls: list[ScriptedAnswer] = field(default_factory=list)

    def add_shadow(self, name, model):
        self.shadows[name] = model

    def remove_shadow(self, name):
        del self.shadows[name]

    def run(self, batch):
        logits = torch.zeros(len(batch.asking), self.vocabulary_size)
        if all(len(row.slots) == row.length for row in batch.rows):
            return logits  # a model is tried out: there is no room for an answer
        if batch.asking:
            self.before_step()
        for number, row in enumerate(batch.asking):
            answer = self._answer_of(row.slots)
            self.calls.append(answer)
            answer.steps += 1
            logits[number, next(answer.left)] = 1e4  # so much that drawing by chance draws it, too
        return logits

    def _answer_of(self, slots):
        for answer in self.answers:
            if answer.slots is slots:
                return answer
        left = itertools.cycle(self.tokens) if self.endless else iter(self.tokens)
        self.answers.append(ScriptedAnswer(slots, left))
        return self.answers[-1]


@dataclass(frozen=True)
class ScriptedBase(ServedBase):
    """Serves a ScriptedModel; a "shadow" that is read is the folder's path."""

    def make_decoder(self, capacity):
        return self.model

    def read_shadow(self, directory):
        return directory


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
        return ScriptedBase(
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


@pytest.fixture(scope="session")
def serving() -> Callable[..., object]:
    """Return a context manager that serves an app over real HTTP and gives its address."""

    @contextmanager
    def serve(app, grace_s: int = GRACE_S) -> Iterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))  # clients may connect at once: they queue
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, timeout_graceful_shutdown=grace_s
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(GUARD_S)

    return serve
