"""The systems side by side: their predictions read, checked, and turned into decisions on the tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_server.evaluation.decisions import (
    Decision,
    Prediction,
    decide_answering,
    decide_deployed,
    decide_detached,
    decide_edge,
)
from cloud_server.evaluation.rows import TESTS, Sample, check_predictions
from shared.errors import DataError
from shared.predictions import read_predictions

NAMES = {
    "deployed": "edge and cloud together, as deployed",
    "edge": "edge alone: reflex, int8 bundle, second reader",
    "detached": "detached shadow alone, fp32",
    "attached": "attached shadow alone",
    "lora": "LoRA",
    "dora": "DoRA",
    "detached_uncalibrated": "detached shadow, not calibrated",
    "attached_no_update": "attached shadow without the update module",
}
"""All that is measured, in the order of the tables; all but the first are files of predictions."""

NEEDED = ("edge", "detached", "attached")
POSTERIORS = ("detached", "detached_uncalibrated")
ANSWERING = ("attached", "lora", "dora", "attached_no_update")


@dataclass(frozen=True)
class System:
    """A system's decisions on the test rows, in their order, and its predictions by row id.

    parameters: how many numbers were trained, by their module; empty where that is unknown.
    """

    key: str
    about: dict[str, Any]
    predictions: dict[str, Prediction]
    decisions: list[Decision]

    @property
    def name(self) -> str:
        return NAMES[self.key]

    @property
    def parameters(self) -> dict[str, int]:
        counted: dict[str, int] = self.about.get("trained_parameters", {})
        return counted

    @property
    def adapter(self) -> str | None:
        """The hash of the adapter that was asked, None where its file does not tell."""
        told: str | None = self.about.get("adapter_sha256")
        return told


def read_systems(
    directory: Path, datasets: Path, table_3: Path, samples: Sequence[Sample]
) -> dict[str, System]:
    """Return the systems whose predictions are in `directory`, in the order of `NAMES`.

    DataError where one that is needed is missing, or one was made of other rows.
    """
    tests = [each for each in samples if each.file in TESTS]
    systems: dict[str, System] = {}
    for key in list(NAMES)[1:]:
        path = directory / f"{key}.jsonl"
        if not path.is_file():
            if key in NEEDED:
                raise DataError(f"{path} is missing; docs/evaluation.md says how it is made")
            continue
        check_predictions(path, datasets, table_3, list(samples))
        about, found = read_predictions(path)
        decisions = [_decide(key, about, found[each.row.id], path) for each in tests]
        systems[key] = System(key, about, dict(found), decisions)
    edge, attached = systems["edge"], systems["attached"]
    together = [
        decide_deployed(each.row, edge.predictions[name], attached.predictions[name])
        for each in tests
        for name in [each.row.id]
    ]
    return {"deployed": System("deployed", attached.about, {}, together), **systems}


def _decide(key: str, about: dict[str, Any], prediction: Prediction, path: Path) -> Decision:
    try:
        if key == "edge":
            return decide_edge(prediction)
        if key in POSTERIORS:
            return decide_detached(prediction, about["thresholds"])
        return decide_answering(prediction)
    except KeyError as error:
        raise DataError(f"{path}: {error} is missing; predict again") from error
