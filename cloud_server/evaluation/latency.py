"""Milliseconds that benchmarks/system_latency.py measured, and what they make of the whole system."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_server.evaluation.decisions import Decision
from shared.errors import DataError

FORMS = {
    "edge": "edge: one pass, int8 bundle, ONNX Runtime",
    "attached": "attached shadow",
    "lora": "LoRA, beside the base",
    "lora_merged": "LoRA, merged into the base",
    "dora": "DoRA, beside the base",
    "dora_merged": "DoRA, merged into the base",
    "base": "the bare base",
}


@dataclass(frozen=True)
class Latency:
    """What was measured, by the names of `FORMS`; each has p50, p95 and mean, in milliseconds."""

    machine: str
    rows: int
    decisions: dict[str, dict[str, float]]

    def mean_ms(self, key: str) -> float:
        return self.decisions[key]["mean"]

    def means(self, deployed: Sequence[Decision]) -> dict[str, float]:
        """Return the mean milliseconds to a decision by system key, merged where that is possible.

        Together: the edge's for every row, and the attached model's on top where the edge defers.
        """
        deferred = sum(each.by == "cloud" for each in deployed) / len(deployed)
        edge, attached = self.mean_ms("edge"), self.mean_ms("attached")
        return {
            "deployed": edge + deferred * attached,
            "edge": edge,
            "attached": attached,
            "lora": self.mean_ms("lora_merged"),
            "dora": self.mean_ms("dora_merged"),
        }


def read_latency(path: Path) -> Latency | None:
    """Return what is in the benchmark's file, None where there is none; DataError for another form."""
    if not path.is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        latency = Latency(stored["machine"], stored["rows"], stored["decisions"])
        missing = set(FORMS) - set(latency.decisions)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no output of benchmarks/system_latency.py ({error})") from error
    if missing:
        raise DataError(f"{path} lacks {sorted(missing)}; run benchmarks/system_latency.py again")
    return latency
