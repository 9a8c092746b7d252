"""How the embedded engine grows: time and rate by requests at once, and memory by tokens kept.

Prints a table for people, then one line of JSON. The models have a profile's shape and random weights:
what a number is does not change how long it takes. Every request has the system prompt's tokens, which
are kept, 24 of its own, and an answer of so many tokens; all of a round come at the same moment, which is
the worst for their first tokens. Processor time a token says what a machine that others use as well cannot
blur; prompts are in it. docs/sizing.md builds on these figures.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import time
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen3Config, Qwen3ForCausalLM

from cloud_server.engine import Done, Engine, EngineLimits, GenerationRequest, ServedBase
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer
from cloud_server.modeling import ShadowConfig, ShadowModel
from shared.prompt import CHATML, GEMMA, PromptEncoder

OWN_TOKENS = 24
SHAPES = ("tiny", "gemma-270m", "qwen3-8b")
CHATML_MARKS = ("<|im_start|>", "<|im_end|>")
GEMMA_270M = {
    "vocab_size": 262_144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "sliding_window": 512,
    "max_position_embeddings": 32_768,
}
QWEN3_8B = {
    "vocab_size": 151_936,
    "hidden_size": 4096,
    "intermediate_size": 12_288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40_960,
}
QWEN3_600M = {  # what the published shadow is: 28 layers, embeddings of its own, projected
    **QWEN3_8B,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "tie_word_embeddings": True,
}


def make_model(shape: str, device: torch.device, dtype: torch.dtype) -> ShadowModel:
    """Return a random model of a profile's shape, made where it will run."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            return _make_model(shape).eval()
    finally:
        torch.set_default_dtype(torch.float32)


def _make_model(shape: str) -> ShadowModel:
    if shape == "qwen3-8b":
        base = Qwen3ForCausalLM(Qwen3Config(**QWEN3_8B))
        return ShadowModel.create(
            base, ShadowConfig(), shadow=Qwen3ForCausalLM(Qwen3Config(**QWEN3_600M))
        )
    if shape == "gemma-270m":
        base = Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA_270M))
        return ShadowModel.create(base, ShadowConfig(num_shadow_layers=4))
    thin = {"vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    base = Gemma3ForCausalLM(Gemma3TextConfig(**{**GEMMA_270M, **thin, "head_dim": 16}))
    return ShadowModel.create(base, ShadowConfig())


class Numbers:
    """Prints a token's number: no text, so that all the time is the model's and the engine's."""

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(f"{token} " for token in ids)


def serve(shape: str, device: torch.device, dtype: torch.dtype) -> ServedBase:
    """Return the model with nothing that ends an answer early."""
    chat, marks = (CHATML, CHATML_MARKS) if shape == "qwen3-8b" else (GEMMA, GEMMA_MARKS)
    tokens: tuple[Tokenizer, Tokenizer] = (make_byte_tokenizer(marks), make_byte_tokenizer(marks))
    return ServedBase(
        name=shape,
        base_name="bare",
        model=make_model(shape, device, dtype),
        encoder=PromptEncoder(*tokens, chat),
        tokenizer=Numbers(),
        stop_token_ids=frozenset(),
        device=device,
    )


async def ask_at_once(engine: Engine, count: int, tokens: int, seed: int) -> dict[str, float]:
    """Return milliseconds and tokens a second of one round."""
    generator = torch.Generator().manual_seed(seed)
    system = engine.served.system_ids
    prompts = torch.randint(0, 256, (count, OWN_TOKENS), generator=generator).tolist()

    async def answer(number: int, own: list[int]) -> Done:
        request = GenerationRequest("b", (*system, *own), tokens, 3600.0, owner=str(number))
        return [event async for event in engine.submit(request)][-1]

    began_s, computed_s = time.perf_counter(), time.process_time()
    done = await asyncio.gather(*(answer(*each) for each in enumerate(prompts)))
    took_s = time.perf_counter() - began_s
    computed_s = time.process_time() - computed_s
    return {
        "first_token_ms": statistics.median(each.first_token_ms or 0 for each in done),
        "whole_ms": statistics.median(each.total_ms for each in done),
        "tokens_per_s": count * tokens / took_s,
        "processor_ms_a_token": 1000 * computed_s / (count * tokens),
    }


def measure(engine: Engine, counts: list[int], tokens: int, rounds: int) -> list[dict[str, Any]]:
    """Return the medians over the rounds, one row a number of requests."""
    asyncio.run(ask_at_once(engine, max(counts), 4, seed=99))  # to warm up
    rows = []
    for count in counts:
        figures = [asyncio.run(ask_at_once(engine, count, tokens, seed)) for seed in range(rounds)]
        row = {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        spread = [each["tokens_per_s"] for each in figures]
        rows.append({"requests": count, **row, "spread": [min(spread), max(spread)]})
        print(
            f"{count:4} at once   first token {row['first_token_ms']:8.1f} ms   whole answer "
            f"{row['whole_ms']:9.1f} ms   {row['tokens_per_s']:8.1f} tokens/s "
            f"({min(spread):.1f} to {max(spread):.1f})   {row['processor_ms_a_token']:.2f} ms of "
            "processor a token",
            flush=True,
        )
    return rows


def memory(engine: Engine, device: torch.device, cache_tokens: int) -> dict[str, float]:
    """Return megabytes: the weights, the store of keys and values, and what the process has taken."""
    model = engine.served.model
    tensors = {id(each): each for each in (*model.parameters(), *model.buffers())}
    slot_bytes = engine._core._decoder.slot_bytes
    peak = (
        torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    return {
        "weights_mb": sum(each.numel() * each.element_size() for each in tensors.values()) / 1e6,
        "token_bytes": slot_bytes,
        "store_mb": slot_bytes * (cache_tokens + 1) / 1e6,
        "peak_mb": peak / 1e6,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="gemma-270m")
    parser.add_argument("--requests", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache-tokens", type=int, default=16_384)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device, dtype = torch.device(given.device), torch.bfloat16
    limits = EngineLimits(
        max_active=max(given.requests), queue_size=256, cache_tokens=given.cache_tokens
    )
    engine = Engine(lambda: serve(given.shape, device, dtype), limits)
    engine.start()
    engine.loaded.result()
    print(f"{given.shape} on {given.device}, bf16, {given.threads} threads, load {os.getloadavg()}")
    rows = measure(engine, given.requests, given.tokens, given.rounds)
    kept = memory(engine, device, given.cache_tokens)
    print("   ".join(f"{name} {value:.1f}" for name, value in kept.items()))
    engine.close()
    report = {"benchmark": "load_growth", "shape": given.shape, "device": given.device}
    print(json.dumps({**report, "rows": rows, "memory": kept, "tokens": given.tokens}))


if __name__ == "__main__":
    main()
