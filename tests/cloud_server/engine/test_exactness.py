"""The engine with real tiny models: interleaved requests, token for token what each gives alone."""

import asyncio
import dataclasses
import threading

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from cloud_server.engine import Engine, EngineLimits, GenerationRequest, ServedBase
from cloud_server.loading import make_tiny
from cloud_server.modeling import ShadowConfig, ShadowModel

GUARD_S = 30
"""Ends a test that would hang; no test is measured by it."""


class NumberTokenizer:
    """Prints token ids as numbers, so that an answer's text is its tokens."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(f"{token} " for token in ids)


class Recording:
    """A model that notes whose turn each call was."""

    def __init__(self, model, may_start: threading.Event) -> None:
        self.model, self.turns, self.may_start = model, [], may_start

    def new_cache(self):
        return self.model.new_cache()

    def __call__(self, *positional, **named):
        self.may_start.wait(GUARD_S)
        self.turns.append(id(named["cache"]))
        return self.model(*positional, **named)


def tiny_qwen() -> ShadowModel:
    config = Qwen3Config(
        vocab_size=259,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return ShadowModel.create(Qwen3ForCausalLM(config), ShadowConfig()).eval()


@pytest.fixture(params=["gemma3", "qwen3"])
def tiny(request) -> ServedBase:
    """A random model whose injection is not zero, so that the shadow shows in the tokens."""
    served = make_tiny()
    model = served.model if request.param == "gemma3" else tiny_qwen()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(11)
        for parameter in model.shadow_injection_model.parameters():
            parameter.normal_(0, 0.5)
    return dataclasses.replace(
        served, model=model, tokenizer=NumberTokenizer(), stop_token_ids=frozenset()
    )


@torch.no_grad()
def continue_without_cache(model: ShadowModel, prompt: tuple[int, ...], count: int) -> list[int]:
    """The naive reference: the whole sequence anew for each token."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_interleaved_requests_give_token_for_token_what_each_gives_alone(tiny):
    generator = torch.Generator().manual_seed(3)
    prompts = [
        tuple(torch.randint(0, 256, (length,), generator=generator).tolist())
        for length in (3, 17, 40, 90)  # the last one reaches past the sliding window
    ]
    counts = (14, 6, 12, 9)
    may_start = threading.Event()
    recording = Recording(tiny.model, may_start)

    async def read(stream):
        return [event async for event in stream][-1]

    async def go():
        streams = [
            engine.submit(GenerationRequest("r", prompt, count, deadline_s=1000))
            for prompt, count in zip(prompts, counts, strict=True)
        ]
        may_start.set()
        return await asyncio.gather(*(read(stream) for stream in streams))

    served = dataclasses.replace(tiny, model=recording)
    engine = Engine(lambda: served, EngineLimits(max_active=4))
    engine.start()
    engine.loaded.result(GUARD_S)
    answers = asyncio.run(asyncio.wait_for(go(), GUARD_S))
    engine.close()
    for prompt, count, done in zip(prompts, counts, answers, strict=True):
        expected = continue_without_cache(tiny.model, prompt, count)
        assert [int(word) for word in done.text.split()] == expected
    assert len(set(recording.turns[1:9])) == 4  # they were interleaved indeed
