"""Evaluating the edge's decision on labelled utterances: reflex (idle), recogniser, thresholds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_agent import reflex
from edge_agent.recognition import Decision, Recognition
from shared.predictions import shorten_posterior
from shared.repeat_phrases import is_repeat
from shared.report import Item, LabelledRow, percentile, summarise
from shared.tags import parse_tag
from shared.text import clean_utterance


@dataclass(frozen=True)
class Judgement:
    """What the edge makes of a row: a skill's name or "REMOTE"; no `decision` without the model."""

    row: LabelledRow
    predicted: str
    probability: float
    decision: Decision | None

    def as_prediction(self) -> dict[str, Any]:
        """Return it as a line of `shared/predictions.py`."""
        ranked = self.decision.posterior.ranked if self.decision else []
        prediction: dict[str, Any] = {"id": self.row.id, "label": self.predicted}
        if self.decision is None and self.predicted != "REMOTE":
            prediction["reflex"] = True
        if self.decision is not None:
            prediction["joint"] = shorten_posterior(self.decision.joint)
        return {**prediction, "posterior": shorten_posterior(ranked)}


def evaluate(
    rows: Sequence[LabelledRow],
    recognizer: Recognition,
    clock: Callable[[], float] = time.perf_counter,
    note: Callable[[Judgement], None] = lambda judgement: None,
) -> dict[str, Any]:
    """Return CONTRACT.md's report; `clock` gives seconds, `note` gets each row's judgement."""
    reflex.warm_up()
    recognizer.decide("hello")  # the first pass pays for the runtime's own warm-up
    items: list[Item] = []
    durations_ms: list[float] = []
    for row in rows:
        started = clock()
        judgement = _judge(row, recognizer)
        durations_ms.append(1000 * (clock() - started))
        label, probability = judgement.predicted, judgement.probability
        items.append(Item(row.text, row.label, label, probability, label != "REMOTE"))
        note(judgement)
    manifest = recognizer.manifest
    return {
        **summarise(rows, items),
        "ms": {"p50": percentile(durations_ms, 50), "p95": percentile(durations_ms, 95)},
        "bundle": {"name": manifest.name, "fingerprint": manifest.fingerprint},
        "items": [asdict(item) for item in items],
    }


def _judge(row: LabelledRow, recognizer: Recognition) -> Judgement:
    if not any(character.isalnum() for character in clean_utterance(row.text)):
        return Judgement(row, "REMOTE", 0.0, None)  # nothing was understood, so nothing is done
    if reflex.is_stop(row.text, moving=False):
        return Judgement(row, "StopMove", 1.0, None)
    decision = recognizer.decide(row.text)
    again = is_repeat(row.text)  # "again" names nothing by itself, as in the agent
    predicted = "REMOTE" if again else parse_tag(decision.tag) or "REMOTE"
    return Judgement(row, predicted, float(decision.probability), decision)
