"""Text to tag on the edge, against transformers' generate and against one bare forward pass.

Prints a table for people, then one line of JSON (CONTRACT.md). All three run in turn on the same
utterances in one process on one thread, so their ratios hold on a noisy machine; milliseconds do not
travel. `--full` takes more utterances.
"""

import argparse
import json
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
from cloud_server.training.base import load_training_base
from edge_agent.recognizer import Recognizer
from edge_agent.settings import default_bundle

ROOT = Path(__file__).resolve().parents[1]
TAG_TOKENS = 6


def milliseconds(call: Callable[[str], Any], texts: list[str]) -> list[float]:
    """Return the time of each call, after one to warm up."""
    call(texts[0])
    times = []
    for text in texts:
        started = time.perf_counter()
        call(text)
        times.append(1000 * (time.perf_counter() - started))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    count = 306 if parser.parse_args().full else 60
    subprocess.run([sys.executable, "-m", "cloud_server", "export-edge", "--if-needed"], check=True)
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in (ROOT / "datasets/test_normal.jsonl").open()]
    texts = [row["text"] for row in rows][:: max(1, len(rows) // count)][:count]

    recognizer = Recognizer.load(default_bundle(), threads=1)
    shadow = recognizer.shadow
    loaded = load_training_base("gemma-270m", torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, shipped_adapter("gemma-270m"))
    detached: Any = model.export_detached()
    end, close = loaded.encoder.end_token_id, loaded.encoder.encode_plain("[Sit()]")[-1]
    remote_close = loaded.encoder.encode_plain("[REMOTE]")[-1]

    def generate(text: str) -> Any:
        prompt = torch.tensor([loaded.encoder.encode_prompt(text)])
        return detached.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=TAG_TOKENS,
            do_sample=False,
            eos_token_id=[end, close, remote_close],
            pad_token_id=0,
        )

    def bare_forward(text: str) -> Any:
        words = shadow.encoder.encode_plain(text)
        past = shadow.prefix_length
        seen = np.tril(np.ones((len(words), past + len(words)), bool), past)
        return shadow.forward(words, np.arange(past, past + len(words)), seen)

    with torch.inference_mode():
        ours = milliseconds(recognizer.decide, texts)
        bare = milliseconds(bare_forward, texts)
        theirs = milliseconds(generate, texts)
        ours += milliseconds(recognizer.decide, texts)
    table = {"one pass, int8": ours, "bare forward, int8": bare, "generate, fp32": theirs}
    for name, times in table.items():
        p50, p95 = np.percentile(times, [50, 95])
        print(f"{name:20} p50 {p50:8.2f} ms   p95 {p95:8.2f} ms   n {len(times)}")
    median = {name: float(np.median(times)) for name, times in table.items()}
    print(
        json.dumps(
            {
                "benchmark": "edge_intent",
                "speedup_vs_generate": median["generate, fp32"] / median["one pass, int8"],
                "ratio_to_bare_forward": median["one pass, int8"] / median["bare forward, int8"],
                "tree_nodes": len(recognizer._tree.tokens),
                "ms": {"p50": median["one pass, int8"], "p95": float(np.percentile(ours, 95))},
                "n": len(texts),
            }
        )
    )


if __name__ == "__main__":
    main()
