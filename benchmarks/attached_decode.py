"""Attached greedy decoding against the published library and against the bare base.

Prints a table for people, then one line of JSON (CONTRACT.md). All are the same real base (Gemma 3
270M, fp32) with the shipped shadow, 64 new tokens after a 100-token prompt, on one thread, and have to
say the same tokens. Every round runs each of them once, in an order that shifts, and a ratio is taken
within a round, so a busy machine slows both sides; milliseconds do not travel. `--full` takes more
rounds and bf16 too (there without asserting equal tokens: bf16 logits tie).

- speedup_vs_library_cached: the library's own cached decoding, `ShadowForCausalLM.generate(use_cache=True)`.
- speedup_vs_library_uncached: its own decoding as it comes, `use_cache=False`.
- speedup_vs_library_loop: its network in the loop of `ratio_to_bare_base`, asked for the last
  position's logits and no shadow logits, which its own generate does not do: the strictest comparison.
- ratio_to_bare_base: our `generate` over the base alone through transformers' forward, in a loop with
  a cache, `logits_to_keep=1` and an argmax. A cost: 1 would be free.
- speedup_of_packed_heads: our `generate` over the same after `pack_heads()`.
- floor_of_layers: (that loop + the shadow's layers alone through transformers) over that loop: what
  would be left of the cost if injection, update and their Python took no time.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import shadow_peft
import torch
from torch import Tensor
from transformers import DynamicCache

from cloud_server.modeling import ShadowModel
from cloud_server.profiles import shipped_adapter
from cloud_server.training.base import load_training_base

TEXT = (
    "The dog walked along the river until it came to an old mill. An old man sat there, mending a "
    "net, and looked up when he heard it. "
)
PROMPT_TOKENS, NEW_TOKENS = 100, 64
UNCACHED_UNTIL_S = 300.0
"""A run of the slow uncached decoding starts only before this; each takes minutes."""

Seconds = dict[str, float]


class Decoders:
    """The same base and shadow as ours, as the library's, and the base alone."""

    def __init__(self, dtype: torch.dtype) -> None:
        loaded = load_training_base("gemma-270m", dtype)
        adapter = shipped_adapter("gemma-270m")
        self.base: Any = loaded.model.eval()
        self.ours = ShadowModel.from_pretrained(loaded.model, adapter)
        self.packed = ShadowModel.from_pretrained(loaded.model, adapter)
        self.packed.pack_heads()
        # The library rewires its base in place, so it gets one of its own.
        for_library: Any = load_training_base("gemma-270m", dtype).model.eval()
        # It knows no change beside an adapter (docs/decisions/0014), so it gets ours saved whole.
        with tempfile.TemporaryDirectory() as whole:
            self.ours.save_pretrained(whole)
            self.library: Any = shadow_peft.ShadowForCausalLM.from_pretrained(for_library, whole)
        self.library.to(dtype).eval()
        self.prompt = torch.tensor([loaded.encoder.encode_plain(TEXT * 4)[:PROMPT_TOKENS]])

    def decode_ours(self, *, packed: bool = False) -> list[int]:
        model = self.packed if packed else self.ours
        return self._new(model.generate(self.prompt, max_new_tokens=NEW_TOKENS))

    def decode_library(self, *, cached: bool) -> list[int]:
        ids = self.library.generate(
            self.prompt,
            attention_mask=torch.ones_like(self.prompt),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            use_cache=cached,
            eos_token_id=None,
            pad_token_id=0,
        )
        return self._new(ids)

    def decode_library_loop(self) -> list[int]:
        network, past, step, said = self.library.peft_model, None, self.prompt, []
        for _ in range(NEW_TOKENS):
            output = network(input_ids=step, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = output.past_key_values
            step = output.logits[:, -1].argmax(-1, keepdim=True)
            said.append(int(step))
        return said

    def decode_bare_base(self) -> list[int]:
        past, step, said = DynamicCache(config=self.base.config), self.prompt, []
        for _ in range(NEW_TOKENS):
            output = self.base(step, past_key_values=past, use_cache=True, logits_to_keep=1)
            step = output.logits[:, -1].argmax(-1, keepdim=True)
            said.append(int(step))
        return said

    def run_shadow_layers(self) -> list[int]:
        """Run the shadow's layers alone over as many tokens; says nothing."""
        shadow, embeddings = self.ours.shadow_model, self.ours.shadow_embeddings()
        past, step = DynamicCache(config=shadow.config), self.prompt
        for _ in range(NEW_TOKENS):
            shadow(inputs_embeds=embeddings(step), past_key_values=past, use_cache=True)
            step = self.prompt[:, :1]
        return []

    def _new(self, ids: Tensor) -> list[int]:
        return [int(token) for token in ids[0, PROMPT_TOKENS:]]


def seconds_of(decode: Callable[[], list[int]]) -> tuple[float, list[int]]:
    """Return how long a call took, and what it said."""
    started = time.perf_counter()
    said = decode()
    return time.perf_counter() - started, said


def measure(decoders: Decoders, rounds: int, *, same_tokens: bool) -> list[Seconds]:
    """Return the seconds of every contender in each round; RuntimeError where tokens differ."""
    quick: dict[str, Callable[[], list[int]]] = {
        "ours": decoders.decode_ours,
        "ours, packed heads": lambda: decoders.decode_ours(packed=True),
        "bare base": decoders.decode_bare_base,
        "library, loop": decoders.decode_library_loop,
        "library, cached": lambda: decoders.decode_library(cached=True),
        "shadow layers": decoders.run_shadow_layers,
    }
    wanted = decoders.decode_ours()  # the warm-up of ours; the others' is round 0
    begun, measured = time.perf_counter(), []
    for number in range(rounds + 1):
        names = list(quick)
        names = names[number % len(names) :] + names[: number % len(names)]
        contenders = {name: quick[name] for name in names}
        if number == 1 or (number and time.perf_counter() - begun < UNCACHED_UNTIL_S):
            contenders["library, uncached"] = lambda: decoders.decode_library(cached=False)
        seconds = {}
        for name, decode in contenders.items():
            seconds[name], said = seconds_of(decode)
            if same_tokens and name.startswith(("library", "ours")) and said != wanted:
                raise RuntimeError(f"{name} says {said}, ours {wanted}")
        shown = ", ".join(f"{name} {each:.1f} s" for name, each in seconds.items())
        print(f"{f'round {number}' if number else 'warm-up'}: {shown}", flush=True)
        if number:
            measured.append(seconds)
    return measured


def ratios(measured: list[Seconds]) -> dict[str, list[float]]:
    """Return each ratio of the module's docstring in every round that has it."""

    def over(above: str, below: str) -> list[float]:
        return [each[above] / each[below] for each in measured if above in each]

    return {
        "speedup_vs_library_cached": over("library, cached", "ours"),
        "speedup_vs_library_uncached": over("library, uncached", "ours"),
        "speedup_vs_library_loop": over("library, loop", "ours"),
        "ratio_to_bare_base": over("ours", "bare base"),
        "speedup_of_packed_heads": over("ours", "ours, packed heads"),
        "floor_of_layers": [1 + share for share in over("shadow layers", "bare base")],
    }


def print_table(measured: list[Seconds], found: dict[str, list[float]]) -> None:
    """Print milliseconds a token and the ratios with their range."""
    for name in dict.fromkeys(name for each in measured for name in each):
        times = [1000 * each[name] / NEW_TOKENS for each in measured if name in each]
        p50 = float(np.median(times))
        print(
            f"{name:20} {p50:8.1f} ms a token, {min(times):.1f} to {max(times):.1f}, n {len(times)}"
        )
    for name, values in found.items():
        print(
            f"{name:28} {np.median(values):6.2f}, {min(values):.2f} to {max(values):.2f}, n {len(values)}"
        )


def machine(threads: int) -> dict[str, Any]:
    """Return what the figures depend on."""
    names = ("torch", "transformers", "shadow-peft")
    cpu = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": f"{len(cpu)} x {cpu[0]}" if cpu else platform.processor(),
        "threads": threads,
        "load": [round(each, 1) for each in os.getloadavg()],
        **{name: version(name) for name in names},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="more rounds, and bf16")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "cloud_server", "prepare"], check=True)
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = {"benchmark": "attached_decode"}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        if precision == "bf16" and not options.full:
            continue
        print(f"-- {precision}, {PROMPT_TOKENS} + {NEW_TOKENS} tokens")
        with torch.inference_mode():
            measured = measure(
                Decoders(dtype), 15 if options.full else 5, same_tokens=precision == "fp32"
            )
        found = ratios(measured)
        print_table(measured, found)
        medians = {name: float(np.median(values)) for name, values in found.items()}
        spread = {name: [min(values), max(values)] for name, values in found.items()}
        figures = {**medians, "spread": spread, "rounds": len(measured)}
        result.update(figures if precision == "fp32" else {"bf16": figures})
    print(json.dumps({**result, "machine": machine(options.threads)}))


if __name__ == "__main__":
    main()
