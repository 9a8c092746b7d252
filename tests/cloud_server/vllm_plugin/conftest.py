"""Tiny random bases and shadows in directories, and the embedded engine's answers on them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from cloud_server.engine import Engine, EngineLimits, GenerationRequest, ServedBase
from cloud_server.loading import make_byte_tokenizer
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.projected import ProjectedShadow
from cloud_server.vllm_plugin import ADAPTER_KEY, ARCHITECTURE, SHADOW_KEY
from shared.prompt import CHATML, PromptEncoder

GUARD_S = 300
MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
SLIDING_WINDOW = 24
"""Tokens; fewer than most prompts of the tests have."""


class NumberTokenizer:
    """Prints token ids as numbers, so that an answer's text is its tokens."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(f"{token} " for token in ids)


class Pair(NamedTuple):
    """A base's and an adapter's directory, the model of both, and what a published shadow was made from."""

    base: Path
    adapter: Path
    model: ShadowModel
    shadow: Path | None = None

    def overrides(self) -> dict[str, object]:
        """Return what vLLM is told of the adapter."""
        shadow = {} if self.shadow is None else {SHADOW_KEY: str(self.shadow)}
        return {"architectures": [ARCHITECTURE], ADAPTER_KEY: str(self.adapter), **shadow}

    def served(self, *, words: bool = False) -> ServedBase:
        """Return the pair for the embedded engine, as the profile qwen3-8b.

        Answers are numbers, or `words` with the end mark that a person's answers have.
        """
        control, plain = make_byte_tokenizer(MARKS), make_byte_tokenizer(MARKS)
        return ServedBase(
            name="qwen3-8b",
            base_name="bare",
            model=self.model,
            encoder=PromptEncoder(control, plain, CHATML),
            tokenizer=control if words else NumberTokenizer(),
            stop_token_ids=frozenset({control.token_to_id(CHATML.end)} if words else ()),
            device=torch.device("cpu"),
        )


def make_qwen3(hidden: int = 64, layers: int = 4, *, tied: bool = False) -> PreTrainedModel:
    """Head sizes are those that vLLM's CPU attention knows."""
    tokens = make_byte_tokenizer(MARKS)
    config = Qwen3Config(
        vocab_size=tokens.get_vocab_size(),
        hidden_size=hidden,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=tied,
        eos_token_id=tokens.token_to_id(CHATML.end),
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config).eval()


def make_gemma3() -> PreTrainedModel:
    """Sliding and full layers in turn."""
    config = Gemma3TextConfig(
        vocab_size=make_byte_tokenizer(MARKS).get_vocab_size(),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        sliding_window=SLIDING_WINDOW,
        layer_types=["sliding_attention", "full_attention"] * 2,
        eos_token_id=None,
        bos_token_id=None,
        pad_token_id=None,
    )
    return Gemma3ForCausalLM(config).eval()


def make_model(kind: str) -> ShadowModel:
    """Return a shadow of that kind whose injection and update show in the tokens."""
    torch.manual_seed(11)
    if kind == "gemma3":
        model = ShadowModel.create(make_gemma3(), ShadowConfig(num_shadow_layers=2, alpha=0.5))
    elif kind in ("explicit", "published"):  # narrower, embeddings of its own, projected
        model = ShadowModel.create(
            make_qwen3(), ShadowConfig(alpha=0.5), shadow=make_qwen3(32, 2, tied=True)
        )
    elif kind == "narrow":  # fewer key-value heads than the base: pages of another size
        config = ShadowConfig(shadow_num_attention_heads=2, shadow_num_key_value_heads=1)
        model = ShadowModel.create(make_qwen3(tied=True), config)
    elif kind == "headed":
        heads = ("lm_head", "shadow_lm_head")
        model = ShadowModel.create(make_qwen3(), ShadowConfig(modules_to_save=heads))
    elif kind == "ablation":
        model = ShadowModel.create(make_qwen3(), ShadowConfig(), update=False)
    else:
        model = ShadowModel.create(make_qwen3(), ShadowConfig(num_shadow_layers=2))
    with torch.no_grad():
        for parameter in model.shadow_injection_model.parameters():
            parameter.normal_(0, 0.5)
        for parameter in model.shadow_update_model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def save_pair(kind: str, folder: Path) -> Pair:
    """Write a pair's directories, the tokenizer's two files with the base."""
    model = make_model(kind)
    base, adapter = folder / "base", folder / "adapter"
    model.base.save_pretrained(base)
    tokens = make_byte_tokenizer(MARKS)
    PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<|endoftext|>").save_pretrained(
        base
    )
    tokens.save(str(base / "tokenizer.json"))
    model.save_pretrained(adapter)
    if kind != "published":
        return Pair(base, adapter, model)
    (adapter / "shadow_form.json").unlink()  # the library's files have none
    shadow = ProjectedShadow.wrap(
        model.shadow_model, model.shadow_hidden_projection, model.base.lm_head
    )
    shadow.save_pretrained(folder / "shadow")
    return Pair(base, adapter, model, folder / "shadow")


def random_prompts(*lengths: int, seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (n,), generator=generator).tolist() for n in lengths]


def embedded_answers(
    served: ServedBase, asked: Sequence[tuple[list[int], int]], model: str | None = None
) -> list[list[int]]:
    """Return the embedded engine's tokens for prompts and numbers of tokens, all asked at once."""
    engine = Engine(lambda: served, EngineLimits())
    engine.start()
    engine.loaded.result(GUARD_S)

    async def answer(prompt: list[int], count: int) -> list[int]:
        stream = engine.submit(GenerationRequest("r", tuple(prompt), count, GUARD_S, model))
        events = [event async for event in stream]
        return [int(word) for word in events[-1].text.split()]

    async def everyone() -> list[list[int]]:
        return await asyncio.gather(*(answer(*each) for each in asked))

    try:
        return asyncio.run(everyone())
    finally:
        engine.close()


@pytest.fixture(scope="module")
def make_pair(tmp_path_factory):
    """Return a maker of pairs in directories of their own."""
    return lambda kind: save_pair(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture
def prompts():
    return random_prompts


@pytest.fixture
def embedded():
    return embedded_answers
