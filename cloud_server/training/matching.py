"""Thresholds with which a changed shadow acts wrongly no more often than the one that it came from.

Per tier, and for requests and near-misses apart, the rows that the shadow before acted on wrongly are
counted; the loosest threshold that keeps every count is taken. What was bounded with confidence
before is bounded by the same counts still.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from cloud_server.training.data import Row
from shared.skills import SKILLS, Tier

LOOSEST, STRICTEST = 0.4, 0.9999
STEP = 1e-4
"""How far above the first wrong row that is one too many a threshold lies."""

Kind = tuple[Tier, bool]
"""A tier, and whether the request is a near-miss (or a motion that is no skill)."""


def wrong_probabilities(posteriors: Tensor, rows: Sequence[Row]) -> dict[Kind, list[float]]:
    """Return the best skills' probabilities of REMOTE rows whose best tag is a skill, greatest first.

    posteriors: [rows, tags].
    """
    found: dict[Kind, list[float]] = {(tier, near): [] for tier in Tier for near in (False, True)}
    best = posteriors.max(dim=1)
    for row, value, index in zip(rows, best.values.tolist(), best.indices.tolist(), strict=True):
        if row.label == "REMOTE" and index < len(SKILLS):
            found[SKILLS[index].tier, row.kind != "request"].append(value)
    return {kind: sorted(values, reverse=True) for kind, values in found.items()}


def count_wrong(
    posteriors: Tensor, rows: Sequence[Row], thresholds: Mapping[str, float]
) -> dict[Kind, int]:
    """Return how many REMOTE rows are acted on, by tier and kind."""
    wrong = wrong_probabilities(posteriors, rows)
    return {
        (tier, near): sum(value >= thresholds[str(int(tier))] for value in values)
        for (tier, near), values in wrong.items()
    }


def match_thresholds(
    posteriors: Tensor,
    rows: Sequence[Row],
    allowed: Mapping[Kind, int],
    floors: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the loosest thresholds by tier with which no count of `allowed` is exceeded.

    floors: by tier, below which no threshold may come; LOOSEST for the others.
    """
    floors = floors or {}
    wrong = wrong_probabilities(posteriors, rows)
    chosen = {}
    for tier in Tier:
        needed = [
            wrong[tier, near][allowed[tier, near]] + STEP
            for near in (False, True)
            if len(wrong[tier, near]) > allowed[tier, near]
        ]
        floor = floors.get(str(int(tier)), LOOSEST)
        chosen[str(int(tier))] = round(min(max([floor, *needed]), STRICTEST), 6)
    return chosen
