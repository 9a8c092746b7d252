"""Evaluating the edge's decision on labelled utterances: reflex (idle), recogniser, thresholds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from edge_agent import reflex
from edge_agent.recognition import Recognition
from shared.report import Item, LabelledRow, percentile, summarise
from shared.tags import parse_tag
from shared.text import clean_utterance


def evaluate(
    rows: Sequence[LabelledRow],
    recognizer: Recognition,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Return CONTRACT.md's report; `clock` gives seconds, `progress` gets the rows done."""
    reflex.warm_up()
    recognizer.decide("hello")  # the first pass pays for the runtime's own warm-up
    items: list[Item] = []
    durations_ms: list[float] = []
    for number, row in enumerate(rows, 1):
        started = clock()
        predicted, probability = _decide(row.text, recognizer)
        durations_ms.append(1000 * (clock() - started))
        items.append(Item(row.text, row.label, predicted, probability, predicted != "REMOTE"))
        progress(number)
    manifest = recognizer.manifest
    return {
        **summarise(rows, items),
        "ms": {"p50": percentile(durations_ms, 50), "p95": percentile(durations_ms, 95)},
        "bundle": {"name": manifest.name, "fingerprint": manifest.fingerprint},
        "items": [asdict(item) for item in items],
    }


def _decide(text: str, recognizer: Recognition) -> tuple[str, float]:
    if not any(character.isalnum() for character in clean_utterance(text)):
        return "REMOTE", 0.0  # nothing was understood, so nothing is done
    if reflex.is_stop(text, moving=False):
        return "StopMove", 1.0
    decision = recognizer.decide(text)
    return parse_tag(decision.tag) or "REMOTE", float(decision.probability)
