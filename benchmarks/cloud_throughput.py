"""The cloud engine under load: sixteen requests together, four shadows at once, long contexts.

Prints a table for people, then one line of JSON (CONTRACT.md). The default base with its shipped
shadow runs in bf16; the other shadows are copies with slightly changed weights. Every answer has
the same number of tokens, and end marks are ignored, so that both sides of a ratio do equal work.
Ratios are medians over rounds in which their two sides run in turn; milliseconds do not travel.
`--full` takes longer answers and contexts.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cloud_server.engine import Done, Engine, EngineLimits, GenerationRequest, ServedBase
from cloud_server.loading import load_profile
from cloud_server.settings import CloudSettings

ROOT = Path(__file__).resolve().parents[1]
ROWS = 16
SHADOWS = ("second", "third", "fourth")
LOAD_SHARE = 0.6
"""The share of the measured throughput at which requests arrive while first tokens are timed."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured; tokens are an answer's."""

    rounds: int
    tokens: int
    arrivals: int
    contexts: tuple[int, ...]


DEFAULT = Sizes(rounds=3, tokens=32, arrivals=48, contexts=(64, 256, 1024))
FULL = Sizes(rounds=5, tokens=64, arrivals=200, contexts=(64, 256, 1024, 4096))


class Bench:
    """An engine with four shadows, and requests for it."""

    def __init__(self, engine: Engine, prompts: Sequence[tuple[int, ...]], tokens: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.tokens = tokens
        self.names = (engine.served.name, *SHADOWS)

    async def answer(self, prompt: tuple[int, ...], tokens: int, model: str | None = None) -> Done:
        """Return the end of one answer of exactly `tokens` tokens."""
        request = GenerationRequest("bench", prompt, tokens, 3600.0, model, owner=str(prompt[-5:]))
        done = [event async for event in self.engine.submit(request)][-1]
        assert isinstance(done, Done)
        assert done.completion_tokens == tokens
        return done

    async def one_after_another(self) -> float:
        """Return tokens a second of the prompts' answers, each alone."""
        started = time.perf_counter()
        for prompt in self.prompts:
            await self.answer(prompt, self.tokens)
        return len(self.prompts) * self.tokens / (time.perf_counter() - started)

    async def together(self, shadows: int) -> float:
        """Return tokens a second of the prompts' answers at once, over so many shadows."""
        started = time.perf_counter()
        await asyncio.gather(
            *(
                self.answer(prompt, self.tokens, self.names[number % shadows])
                for number, prompt in enumerate(self.prompts)
            )
        )
        return len(self.prompts) * self.tokens / (time.perf_counter() - started)

    async def first_tokens(self, arrivals: int, a_second: float) -> list[float]:
        """Return milliseconds to the first token of requests that arrive by chance."""
        chance = random.Random(1)

        async def arrive(at_s: float) -> float:
            await asyncio.sleep(at_s)
            model = chance.choice(self.names)
            done = await self.answer(chance.choice(self.prompts), self.tokens, model)
            assert done.first_token_ms is not None
            return done.first_token_ms

        times = np.cumsum([chance.expovariate(a_second) for _ in range(arrivals)])
        return list(await asyncio.gather(*(arrive(float(at_s)) for at_s in times)))

    async def growth(self, context: int) -> dict[str, float]:
        """Return milliseconds a prompt token and an answer's token after so long a context."""
        tokens = 16
        prompt = tuple(token for prompt in self.prompts * 40 for token in prompt)[:context]
        changed = (*prompt[:-1], prompt[-1] + 1)
        done = await self.answer(prompt, tokens)
        alone = (done.total_ms - float(done.first_token_ms or 0)) / (tokens - 1)
        together = await asyncio.gather(*(self.answer(changed, tokens) for _ in range(4)))
        ends = max(each.total_ms - float(each.first_token_ms or 0) for each in together)
        return {
            "prompt_token_ms": float(done.first_token_ms or 0) / (context - done.cached_tokens),
            "token_ms": alone,
            "token_ms_of_four": ends / (tokens - 1),
        }


def load(threads: int, folder: Path) -> ServedBase:
    """Return the default profile with nothing that ends an answer early, and save the others.

    Runs on the engine's thread, as when serving: a second thread that has ever computed with OpenMP
    makes the first one's waits sleep instead of spin.
    """
    served = load_profile(CloudSettings(threads=threads))
    for number, name in enumerate(SHADOWS):
        save_changed_shadow(served, folder / name, number)
    return dataclasses.replace(served, stop_token_ids=frozenset())


def save_changed_shadow(served: ServedBase, folder: Path, seed: int) -> None:
    """Write a copy of the served shadow whose weights differ by about a hundredth."""
    generator = torch.Generator().manual_seed(seed)
    own = {name: value.clone() for name, value in served.model.state_dict().items()}
    with torch.no_grad():
        for part in served.model.adapter_modules().values():
            for value in part.parameters():
                noise = torch.randn(value.shape, generator=generator).to(value)
                value.mul_(1 + 0.01 * noise)
    served.model.save_pretrained(folder)
    served.model.load_state_dict(own)


def make_engine(threads: int) -> Engine:
    """Return a started engine that serves the profile's shadow and three others."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(lambda: load(threads, Path(folder)), EngineLimits(max_active=ROWS))
        engine.start()
        engine.loaded.result()
        for name in SHADOWS:
            engine.load_shadow(name, Path(folder) / name).result()
    return engine


async def measure(bench: Bench, sizes: Sizes) -> dict[str, Any]:
    """Return the figures, rounds printed as they come."""
    await bench.together(4)  # to warm up
    rounds = []
    for _ in range(sizes.rounds):
        alone = await bench.one_after_another()
        one, four = await bench.together(1), await bench.together(4)
        rounds.append((alone, one, four))
        print(f"tokens/s: alone {alone:6.1f}   together {one:6.1f}   four shadows {four:6.1f}")
    speedup = statistics.median(one / alone for alone, one, _ in rounds)
    ratio = statistics.median(four / one for _, one, four in rounds)
    a_second = LOAD_SHARE * statistics.median(four for *_, four in rounds) / sizes.tokens
    waits = await bench.first_tokens(sizes.arrivals, a_second)
    p50, p95 = (float(value) for value in np.percentile(waits, [50, 95]))
    print(f"sixteen together {speedup:.2f} x, four shadows {ratio:.2f} of one")
    print(f"first token p50 {p50:.0f} ms   p95 {p95:.0f} ms   at {a_second:.2f} requests a second")
    growth = {}
    for context in sizes.contexts:
        growth[str(context)] = figures = await bench.growth(context)
        columns = "   ".join(f"{name} {value:7.2f}" for name, value in figures.items())
        print(f"context {context:5}   {columns}")
    return {
        "benchmark": "cloud_throughput",
        "batch16_speedup": speedup,
        "four_shadow_ratio": ratio,
        "ttft_ms": {"p50": p50, "p95": p95},
        "tokens_per_second": dict(zip(("alone", "together", "four"), rounds[-1], strict=True)),
        "arrivals_per_second": a_second,
        "growth": growth,
        "n": {"rounds": sizes.rounds, "tokens": sizes.tokens, "arrivals": sizes.arrivals},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sizes = FULL if options.full else DEFAULT
    subprocess.run([sys.executable, "-m", "cloud_server", "prepare", "--if-needed"], check=True)
    engine = make_engine(options.threads)
    rows = [json.loads(line) for line in (ROOT / "datasets/test_normal.jsonl").open()]
    texts = [row["text"] for row in rows][:: len(rows) // ROWS][:ROWS]
    prompts = [tuple(engine.served.encoder.encode_prompt(text)) for text in texts]
    figures = asyncio.run(measure(Bench(engine, prompts, sizes.tokens), sizes))
    engine.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
