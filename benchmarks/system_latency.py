"""Text to skill for every system of docs/evaluation.md, side by side: edge, attached shadow, LoRA, DoRA.

All run interleaved on the same texts, one thread each. The edge takes its one pass over the int8
bundle. The others continue from a cached system prompt, read the utterance, and take as many greedy
steps as the right tag has tokens; the tag's own tokens are fed back, so that each does the same work.
LoRA and DoRA stand on copies of the base, beside it and merged into it, untrained, which changes no
time; the shadow is the shipped one.

Without a GPU, the milliseconds are processor time of one core, which a busy machine disturbs little;
with one, the others run there in bf16, and all are wall time. The last line is JSON, which --out keeps
for `cloud-server evaluate-system`.
"""

import argparse
import copy
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cloud_server.modeling import ShadowModel
from cloud_server.profiles import shipped_adapter
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.low_rank import adapt
from cloud_server.training.predictions import Step, attached_step, low_rank_step
from edge_agent.recognizer import Recognizer
from edge_agent.settings import default_bundle
from shared.prompt import prompt_segments
from shared.tags import print_tag

ROOT = Path(__file__).resolve().parents[1]
PROFILE = "gemma-270m"
RANK = 96
"""As in recipes/gemma-270m-lora.toml: as many trained numbers as the shadow has."""

Call = Callable[[str, str], Any]


def machine_name(on_gpu: bool) -> str:
    """Return what the benchmark runs on, in words."""
    found = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    processor = found[0].split(":")[1].strip() if found else platform.processor()
    if on_gpu:
        return f"{torch.cuda.get_device_name()} (the edge: one core of {processor}), wall time"
    return f"one core of {processor}, its processor time"


def copy_base(base: Any) -> Any:
    """Return a copy of the base that shares its embeddings, which no adapter touches."""
    weight = base.get_input_embeddings().weight
    return copy.deepcopy(base, {id(weight): weight})


def steps(loaded: TrainingBase) -> dict[str, Step]:
    """Return one step of every answering system."""
    base: Any = loaded.model.eval()
    made: dict[str, Step] = {"base": low_rank_step(base)}
    for method in ("lora", "dora"):
        beside = adapt(copy_base(base), RANK, dora=method == "dora").eval()
        merged: Any = adapt(copy_base(base), RANK, dora=method == "dora").merge_and_unload()
        made[method] = low_rank_step(beside)
        made[f"{method}_merged"] = low_rank_step(merged.eval())
    shadow = ShadowModel.from_pretrained(base, shipped_adapter(PROFILE)).eval()
    made["attached"] = attached_step(shadow.to(base.device))
    return made


def answering(step: Step, loaded: TrainingBase) -> Call:
    """Return what reads an utterance behind the cached system prompt and says a tag."""
    device, encoder = loaded.model.device, loaded.encoder
    system = encoder.encode(prompt_segments(encoder.chat, "")[:1])
    with torch.inference_mode():
        _, kept = step(torch.tensor([system], device=device), None)

    @torch.inference_mode()
    def call(text: str, label: str) -> int:
        cache = copy.deepcopy(kept)
        words = encoder.encode(prompt_segments(encoder.chat, text)[1:])
        logits, cache = step(torch.tensor([words], device=device), cache)
        chosen = int(logits.argmax(-1))
        for token in encoder.encode_plain(print_tag(label))[:-1]:
            logits, cache = step(torch.tensor([[token]], device=device), cache)
            chosen = int(logits.argmax(-1))
        return chosen

    return call


def measure(
    calls: dict[str, Call], rows: list[dict[str, Any]], clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the milliseconds of each call on each row, each row given to all of them in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for row in rows[:2]:
            call(row["text"], row["label"])
    for row in rows:
        for name, call in calls.items():
            started = clock()
            call(row["text"], row["label"])
            times[name].append(1000 * (clock() - started))
    return times


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all of test_normal")
    parser.add_argument("--rows", type=int, default=30, help="of test_normal, evenly drawn")
    parser.add_argument("--out", type=Path, help="docs/evaluation/latency.json, for the page")
    given = parser.parse_args()
    subprocess.run([sys.executable, "-m", "cloud_server", "export-edge", "--if-needed"], check=True)
    torch.set_num_threads(1)
    lines = (ROOT / "datasets/test_normal.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rows = rows if given.full else rows[:: len(rows) // given.rows][: given.rows]

    on_gpu = torch.cuda.is_available()
    loaded = load_training_base(PROFILE, torch.bfloat16 if on_gpu else torch.float32)
    if on_gpu:
        loaded.model.to("cuda")
    recognizer = Recognizer.load(default_bundle(), threads=1)
    calls: dict[str, Call] = {"edge": lambda text, _: recognizer.decide(text)}
    calls |= {name: answering(step, loaded) for name, step in steps(loaded).items()}
    times = measure(calls, rows, time.perf_counter if on_gpu else time.process_time)

    decisions = {
        name: {
            "p50": round(float(np.percentile(each, 50)), 2),
            "p95": round(float(np.percentile(each, 95)), 2),
            "mean": round(float(np.mean(each)), 2),
        }
        for name, each in times.items()
    }
    for name, each in decisions.items():
        print(f"{name:14}" + "".join(f"{key} {value:9.2f} ms   " for key, value in each.items()))
    summary = {
        "benchmark": "system_latency",
        "machine": machine_name(on_gpu),
        "rows": len(rows),
        "decisions": decisions,
        "ratio_to_base": {
            name: round(each["p50"] / decisions["base"]["p50"], 3)
            for name, each in decisions.items()
        },
    }
    if given.out:
        given.out.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
