"""Tiny random models behind the engine, an engine that is stepped by hand, and the naive reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from cloud_server.engine import Done, EngineLimits, GenerationRequest, NoObserver, ServedBase
from cloud_server.engine.core import Core
from cloud_server.engine.generation import Generation
from cloud_server.engine.schedule import Schedule
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer
from cloud_server.modeling import ShadowConfig, ShadowModel
from shared.errors import ShadowdogError
from shared.prompt import GEMMA, PromptEncoder

SLIDING_WINDOW = 8
"""Tokens; so few that most prompts of the tests reach past it."""

SIZES = {
    "vocab_size": 259,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


class NumberTokenizer:
    """Prints token ids as numbers, so that an answer's text is its tokens."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(f"{token} " for token in ids)


def make_base(family: str) -> PreTrainedModel:
    """Return a random base; Gemma 3 with sliding and full layers in turn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        if family == "qwen3":
            return Qwen3ForCausalLM(Qwen3Config(**SIZES))
        layers = ["sliding_attention", "full_attention"] * 2
        config = Gemma3TextConfig(**SIZES, sliding_window=SLIDING_WINDOW, layer_types=layers)
        return Gemma3ForCausalLM(config)


def make_shadow(
    base: PreTrainedModel, seed: int, *, update: bool = True, **sizes: float
) -> ShadowModel:
    """Return a shadow whose injection is not zero, so that it shows in the tokens."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = ShadowModel.create(base, ShadowConfig(**sizes), update=update).eval()
        for parameter in model.shadow_injection_model.parameters():
            parameter.normal_(0, 0.5)
        for parameter in model.shadow_update_model.parameters():
            parameter.normal_(0, 0.3)
    return model


def serve(model: ShadowModel, name: str = "a") -> ServedBase:
    """Return `model` served on the base "bare", with nothing that ends an answer early."""
    control, plain = make_byte_tokenizer(GEMMA_MARKS), make_byte_tokenizer(GEMMA_MARKS)
    return ServedBase(
        name=name,
        base_name="bare",
        model=model,
        encoder=PromptEncoder(control, plain, GEMMA),
        tokenizer=NumberTokenizer(),
        stop_token_ids=frozenset(),
        device=next(model.parameters()).device,
    )


@dataclass
class Ear:
    """A listener without an event loop."""

    cancelled: bool = False
    events: list = field(default_factory=list)

    def emit(self, event) -> None:
        self.events.append(event)

    @property
    def end(self) -> Done | ShadowdogError | None:
        """The last event, if it is an end."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, Done | ShadowdogError) else None

    @property
    def tokens(self) -> list[int]:
        """The answer's tokens, as NumberTokenizer printed them."""
        assert isinstance(self.end, Done), self.end
        return [int(word) for word in self.end.text.split()]


class Stepped:
    """The engine without its thread: requests are submitted and steps are made in the order told."""

    def __init__(self, served: ServedBase, limits: EngineLimits, clock, observer=None) -> None:
        self.clock = clock
        self.default = served.name
        self.schedule = Schedule(queue_size=limits.queue_size, max_active=limits.max_active)
        self.core = Core(served, self.schedule, limits, clock, observer or NoObserver())

    def submit(self, prompt: Sequence[int], max_tokens: int = 8, **options) -> Ear:
        """Queue a request and return who hears of it."""
        request = GenerationRequest(
            **{"request_id": "r", "deadline_s": 1e9, **options},
            prompt_ids=tuple(prompt),
            max_tokens=max_tokens,
        )
        self.core.check(request)
        ear = Ear()
        model = request.model or self.default
        self.schedule.add(Generation(request, model, ear, self.clock()))
        return ear

    def cancel(self, ear: Ear) -> None:
        """Go away, as a client does."""
        ear.cancelled = True
        self.schedule.forget(ear)

    def step(self) -> None:
        """Make one step as the engine's thread does."""
        for errand in self.schedule.take_errands():
            errand.run()
        try:
            self.core.step()
        except Exception:  # noqa: BLE001 - as the engine's thread does
            self.core.blame()

    def finish(self, most: int = 2000) -> None:
        """Make steps until nobody is left."""
        for _ in range(most):
            if not self.schedule.everyone():
                return
            self.step()
        raise AssertionError(f"not done after {most} steps")

    @property
    def used_slots(self) -> int:
        """Slots held by requests or kept."""
        return self.core._slots.used


@pytest.fixture
def stepped(clock):
    """Return a maker of stepped engines."""

    def make(served: ServedBase, observer=None, **limits) -> Stepped:
        return Stepped(served, EngineLimits(**limits), clock, observer)

    return make


@pytest.fixture(params=["gemma3", "qwen3"])
def base(request) -> PreTrainedModel:
    return make_base(request.param)


@pytest.fixture
def served(base) -> ServedBase:
    """Shadow "a" on the bare base "bare"."""
    return serve(make_shadow(base, 1))


@torch.no_grad()
def continue_alone(model, prompt: Sequence[int], count: int) -> list[int]:
    """The naive reference: the whole sequence anew for each token, by a ShadowModel or a base."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.fixture
def alone():
    return continue_alone


@pytest.fixture
def shadow_of():
    return make_shadow


@pytest.fixture
def serve_as():
    """Return a maker of served models by their default shadow's name."""
    return lambda name, model: serve(model, name)


@pytest.fixture
def untied_base() -> PreTrainedModel:
    """A base whose head is not its embedding, so that a shadow may train a head of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        return Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=False)).eval()


@pytest.fixture
def random_prompt():
    """Return a maker of prompts: the same length and seed give the same tokens."""

    def make(length: int, seed: int = 0) -> tuple[int, ...]:
        generator = torch.Generator().manual_seed(1000 * seed + length)
        return tuple(torch.randint(0, 256, (length,), generator=generator).tolist())

    return make
