"""Text to tag on the edge, side by side with generating the tag and with one bare forward pass.

The three run interleaved on the same machine with one thread: our recogniser (int8 bundle),
transformers' cached greedy generate of the same detached shadow in fp32 until the tag is complete,
and one ONNX Runtime pass over the utterance's tokens alone with the system prompt cached. Growth with
the utterance's length and with the number of skills is measured on the same bundle. The last line is
JSON.
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
from edge_agent.detached_shadow import DetachedShadow
from edge_agent.recognizer import Recognizer, tree_pass
from edge_agent.settings import default_bundle
from shared.skills import SKILLS
from shared.tag_tree import build_tag_tree

ROOT = Path(__file__).resolve().parents[1]
TAG_TOKENS = 6
SKILL_COUNTS = (34, 100, 500)
TOKEN_COUNTS = (4, 8, 16, 32, 64, 128)
ROUNDS = 30

Call = Callable[[str], Any]


def timed(call: Call, text: str) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    call(text)
    return 1000 * (time.perf_counter() - started)


def interleave(calls: dict[str, Call], texts: list[str]) -> dict[str, list[float]]:
    """Return the milliseconds of each call on each text, each text given to all of them in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(texts[0])
    for text in texts:
        for name, call in calls.items():
            times[name].append(timed(call, text))
    return times


def generator(profile: str, texts: list[str]) -> Call:
    """Return what generates a tag with transformers from the same shadow in fp32."""
    loaded = load_training_base(profile, torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, shipped_adapter(profile))
    detached: Any = model.export_detached()
    ends = [loaded.encoder.end_token_id]
    ends += [loaded.encoder.encode_plain(tag)[-1] for tag in ("[Sit()]", "[REMOTE]")]

    def generate(text: str) -> Any:
        prompt = torch.tensor([loaded.encoder.encode_prompt(text)])
        with torch.inference_mode():
            return detached.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=TAG_TOKENS,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=0,
            )

    return generate


def bare_forward(shadow: DetachedShadow, text: str) -> Any:
    """Run the graph over the utterance's own tokens, nothing else."""
    words = shadow.encoder.encode_plain(text)
    past = shadow.prefix_length
    seen = np.tril(np.ones((len(words), past + len(words)), bool), past)
    return shadow.forward(words, np.arange(past, past + len(words)), seen)


def grow_with_tokens(recognizer: Recognizer) -> dict[int, float]:
    """Return the median milliseconds of one pass by the number of the utterance's tokens."""
    token = recognizer.shadow.encoder.encode_plain(" sit")[0]
    tree = recognizer.tree
    return {
        count: median(lambda _, n=count: tree_pass(recognizer.shadow, tree, [token] * n))
        for count in TOKEN_COUNTS
    }


def grow_with_skills(recognizer: Recognizer) -> dict[int, dict[str, float]]:
    """Return tree nodes and median milliseconds of one pass by the number of skills.

    Skills beyond the catalogue are pairs of its names; the graph's head stays as it is, which costs
    a fraction of a percent of a pass.
    """
    encoder = recognizer.shadow.encoder
    names = [skill.name for skill in SKILLS]
    names += [f"{first}{second}" for first in names for second in names if first != second]
    chain = [*encoder.encode_plain("hey dog, do a full spin"), *recognizer.shadow.suffix]
    grown = {}
    for count in SKILL_COUNTS:
        tags = [*(f"[{name}()]" for name in names[:count]), "[REMOTE]"]
        tree = build_tag_tree([encoder.encode_plain(tag) for tag in tags])
        ms = median(lambda _, tree=tree: tree_pass(recognizer.shadow, tree, chain))
        grown[count] = {"tree_nodes": len(tree.tokens), "ms": ms}
    return grown


def median(call: Call) -> float:
    """Return the median milliseconds of ROUNDS calls, after one to warm up."""
    call("")
    return float(np.median([timed(call, "") for _ in range(ROUNDS)]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all of test_normal, not 60 rows")
    count = 306 if parser.parse_args().full else 60
    subprocess.run([sys.executable, "-m", "cloud_server", "export-edge", "--if-needed"], check=True)
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in (ROOT / "datasets/test_normal.jsonl").open()]
    texts = [row["text"] for row in rows][:: max(1, len(rows) // count)][:count]

    recognizer = Recognizer.load(default_bundle(), threads=1)
    memory_mb = peak_memory_mb(texts)
    before_s = time.process_time()
    for text in texts:
        recognizer.decide(text)
    cpu_ms = 1000 * (time.process_time() - before_s) / len(texts)
    by_tokens, by_skills = grow_with_tokens(recognizer), grow_with_skills(recognizer)
    times = interleave(
        {
            "one pass, int8": recognizer.decide,
            "bare forward, int8": lambda text: bare_forward(recognizer.shadow, text),
            "generate, fp32": generator("gemma-270m", texts),
        },
        texts,
    )
    report(recognizer, times, by_tokens, by_skills, cpu_ms, memory_mb)


def peak_memory_mb(texts: list[str]) -> float:
    """Return the peak resident memory, in MB, of a process that only loads the bundle and decides."""
    script = (
        "import json, sys\n"
        "from edge_agent.recognizer import Recognizer\n"
        "from edge_agent.settings import default_bundle\n"
        "recognizer = Recognizer.load(default_bundle())\n"
        "for text in json.load(sys.stdin): recognizer.decide(text)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(int(status['VmHWM'].split()[0]) * 1024 / 1e6)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def report(
    recognizer: Recognizer,
    times: dict[str, list[float]],
    by_tokens: dict[int, float],
    by_skills: dict[int, dict[str, float]],
    cpu_ms: float,
    memory_mb: float,
) -> None:
    """Print the table and the line of JSON."""
    for name, each in times.items():
        p50, p95 = np.percentile(each, [50, 95])
        print(f"{name:20} p50 {p50:8.2f} ms   p95 {p95:8.2f} ms   n {len(each)}")
    print("tokens    " + "  ".join(f"{count}: {ms:.1f} ms" for count, ms in by_tokens.items()))
    for count, grown in by_skills.items():
        print(f"{count:4} skills  {grown['tree_nodes']:4} tree nodes  {grown['ms']:8.1f} ms")
    p50 = {name: float(np.median(each)) for name, each in times.items()}
    p95 = float(np.percentile(times["one pass, int8"], 95))
    summary = {
        "benchmark": "edge_intent",
        "speedup_vs_generate": p50["generate, fp32"] / p50["one pass, int8"],
        "ratio_to_bare_forward": p50["one pass, int8"] / p50["bare forward, int8"],
        "tree_nodes": len(recognizer.tree.tokens),
        "ms": {"p50": p50["one pass, int8"], "p95": p95},
        "p95_to_p50": p95 / p50["one pass, int8"],
        "cpu_ms_an_utterance": cpu_ms,
        "peak_memory_mb": memory_mb,
        "ms_by_tokens": by_tokens,
        "by_skills": by_skills,
        "n": len(times["one pass, int8"]),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
