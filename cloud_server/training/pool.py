"""What a shadow and a second reader hold together: a logarithmic opinion pool, and the thresholds on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloud_server.adapter_files import LEAST_PROBABILITY, SECOND_READING_NAME
from cloud_server.training.data import Row
from cloud_server.training.posterior import Posteriors
from cloud_server.training.thresholds import (
    RISKS,
    Choice,
    best_skills,
    choose_for,
    validation_figures,
)
from shared.bundle import SecondReading
from shared.skills import SKILLS
from shared.tags import TAGS, print_tag

Numbers = NDArray[np.float64]
Scores = Callable[[list[str]], Numbers]
"""A second reader's scores [texts, tags]."""
WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
"""What is tried as the weight of either reader."""
NEAR_MISSES = 0.03
"""What share of near-misses both readers together may act on, at most, with the thresholds' confidence."""
_LEAST = 1e-5


def weigh_reader(
    score: Scores,
    read: Posteriors,
    validation: list[Row],
    calibration: list[Row],
    in_use: SecondReading | None = None,
) -> tuple[SecondReading, dict[str, Any]]:
    """Return how a reader that `score`s texts is weighed against the shadow that `read`s them, and figures.

    The weights are fitted on the validation rows, the thresholds chosen on the calibration rows. in_use: how a pair
    that is in use is weighed; no threshold is below its, and the weights have its sum, since a greater one would
    make every confidence greater and its thresholds looser by that.
    """
    fitting, choosing = (
        Readings(rows, read([row.text for row in rows]), score([row.text for row in rows]))
        for rows in (validation, calibration)
    )
    total = in_use.shadow_weight + in_use.reader_weight if in_use else None
    weights = choose_weights(fitting, total)
    choice = choosing.choose(*weights, least=by_tier(in_use) if in_use else None)
    reading = second_reading(weights, choice.thresholds)
    return reading, {
        "reading": reading.model_dump(),
        "certified": choice.certified,
        "risks": choice.counts,
        "validation": fitting.figures(reading),
    }


def second_reading(weights: tuple[float, float], thresholds: Mapping[str, float]) -> SecondReading:
    """Return how a second reader is weighed: the shadow's and its weight, and the thresholds by tier."""
    return SecondReading(
        shadow_weight=weights[0],
        reader_weight=weights[1],
        thresholds=dict(thresholds),  # type: ignore[arg-type]
    )


def save_reading(reading: SecondReading, adapter: Path) -> None:
    """Write beside an adapter how its second reader is weighed."""
    text = reading.model_dump_json(indent=2) + "\n"
    (adapter / SECOND_READING_NAME).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Readings:
    """What both readers make of rows: the shadow's posteriors [rows, tags] and the second's scores."""

    rows: list[Row]
    posteriors: Tensor
    scores: Numbers

    def pool(self, shadow_weight: float, reader_weight: float) -> Tensor:
        """Return the confidence [rows, tags] of both: softmax of the weighed logarithms and scores."""
        joint = shadow_weight * self.posteriors.double().clamp_min(_LEAST).log()
        return (joint + reader_weight * torch.from_numpy(self.scores)).softmax(1)

    def loss(self, shadow_weight: float, reader_weight: float) -> float:
        """Return the mean negative logarithm of the labels' confidence."""
        labels = _labels(self.rows)
        pooled = self.pool(shadow_weight, reader_weight)
        return float(-pooled[torch.arange(len(labels)), labels].log().mean())

    def choose(
        self,
        shadow_weight: float,
        reader_weight: float,
        allowed: Mapping[str, int] | None = None,
        least: Mapping[str, float] | None = None,
    ) -> Choice:
        """Return thresholds on the confidence whose risks are bounded, and that no command needs looser.

        allowed, least: see `choose_for`.
        """
        risks = [
            replace(risk, most=NEAR_MISSES) if risk.name == "near misses" else risk
            for risk in RISKS
        ]
        sure = self.judge(shadow_weight, reader_weight)
        right = sure.argmax(1) == _labels(self.rows)
        return choose_for(*best_skills(sure), self.rows, risks, allowed, least, right)

    def figures(self, reading: SecondReading) -> dict[str, Any]:
        """Return shares right and wrong after thresholds; see `validation_figures`."""
        sure = self.judge(reading.shadow_weight, reading.reader_weight)
        return validation_figures(sure, self.rows, by_tier(reading))

    def judge(self, shadow_weight: float, reader_weight: float) -> Tensor:
        """Return [rows, tags]: the confidence in the tag that both hold likeliest, all else 0.

        It is 0, too, where the shadow's own probability is below the least.
        """
        pooled = self.pool(shadow_weight, reader_weight)
        sure, tags = pooled.max(1, keepdim=True)
        clears = self.posteriors.double().gather(1, tags) >= _least_probabilities()[tags]
        return torch.zeros_like(pooled).scatter(1, tags, sure * clears)


def _least_probabilities() -> Tensor:
    """Return [tags]: what the shadow's own probability has to reach; nothing for `[REMOTE]`."""
    least = [LEAST_PROBABILITY[str(int(skill.tier))] for skill in SKILLS]
    return torch.tensor([*least, 0.0], dtype=torch.float64)


def by_tier(reading: SecondReading) -> dict[str, float]:
    """Return the thresholds on the confidence of both, by tier."""
    return {str(tier): value for tier, value in reading.thresholds.items()}


def _labels(rows: list[Row]) -> Tensor:
    return torch.tensor([TAGS.index(print_tag(row.label)) for row in rows])


def choose_weights(readings: Readings, total: float | None = None) -> tuple[float, float]:
    """Return the weights of shadow and second reader whose confidence fits the labels best.

    total: what they add up to, as near as tenths come to it; None for whatever fits.
    """
    tried = [pair for pair in product(WEIGHTS, WEIGHTS) if any(pair)]
    if total is not None:
        nearest = min(abs(sum(pair) - total) for pair in tried)
        tried = [pair for pair in tried if abs(sum(pair) - total) < nearest + 0.01]
    return min(tried, key=lambda pair: readings.loss(*pair))
