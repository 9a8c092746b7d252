"""Matched thresholds keep every count of wrong actions, tier by tier, and are as loose as they may be."""

import pytest
import torch
from torch import Tensor

from cloud_server.training.data import Row
from cloud_server.training.matching import (
    LOOSEST,
    STRICTEST,
    count_wrong,
    match_thresholds,
    wrong_probabilities,
)
from shared.skills import Tier
from shared.tags import TAGS
from tests.cloud_server.training.test_thresholds import row


def posteriors(*best: tuple[str, float]) -> Tensor:
    values = torch.zeros(len(best), len(TAGS))
    for at, (tag, probability) in enumerate(best):
        values[at, TAGS.index(tag)] = probability
    return values


ROWS: list[Row] = [
    *(row(number, "REMOTE", "request") for number in range(3)),
    *(row(number, "REMOTE", "near_miss") for number in range(3, 6)),
    row(6, "Sit"),
]
POSTERIORS = posteriors(
    ("[Sit()]", 0.9),
    ("[Bark()]", 0.7),
    ("[REMOTE]", 0.8),
    ("[Sit()]", 0.8),
    ("[Dance()]", 0.95),
    ("[FrontFlip()]", 0.6),
    ("[Sit()]", 0.5),
)


def allowed(**of: int) -> dict[tuple[Tier, bool], int]:
    counts = {(tier, near): 0 for tier in Tier for near in (False, True)}
    names = {"requests": (Tier.IN_PLACE, False), "near": (Tier.IN_PLACE, True)}
    return counts | {names[name]: count for name, count in of.items()}


def test_wrong_rows_are_told_by_tier_and_kind() -> None:
    wrong = wrong_probabilities(POSTERIORS, ROWS)
    assert wrong[Tier.IN_PLACE, False] == pytest.approx([0.9, 0.7])
    assert wrong[Tier.IN_PLACE, True] == pytest.approx([0.8])
    assert wrong[Tier.NEEDS_SPACE, True] == pytest.approx([0.95])
    assert wrong[Tier.DANGEROUS, True] == pytest.approx([0.6])
    assert wrong[Tier.SAFE, False] == []


def test_the_loosest_thresholds_that_keep_every_count_are_taken() -> None:
    chosen = match_thresholds(POSTERIORS, ROWS, allowed())
    assert chosen == {"0": LOOSEST, "1": 0.9001, "2": 0.9501, "3": 0.6001}
    assert match_thresholds(POSTERIORS, ROWS, allowed(requests=1))["1"] == 0.8001
    assert match_thresholds(POSTERIORS, ROWS, allowed(requests=1, near=1))["1"] == 0.7001
    assert match_thresholds(POSTERIORS, ROWS, allowed(requests=2, near=1))["1"] == LOOSEST
    for limits in (allowed(), allowed(requests=1), allowed(near=1)):
        counts = count_wrong(POSTERIORS, ROWS, match_thresholds(POSTERIORS, ROWS, limits))
        assert all(counts[kind] <= limit for kind, limit in limits.items())


def test_a_wrong_row_that_is_certain_leaves_the_strictest() -> None:
    certain = posteriors(("[FrontFlip()]", 1.0))
    assert match_thresholds(certain, ROWS[:1], allowed())["3"] == STRICTEST


def test_no_threshold_comes_below_its_floor() -> None:
    limits = allowed(requests=2, near=1)
    floors = {"1": 0.75, "3": 0.97}
    assert match_thresholds(POSTERIORS, ROWS, limits)["1"] == LOOSEST
    chosen = match_thresholds(POSTERIORS, ROWS, limits, floors)
    assert chosen == {**floors, "0": LOOSEST, "2": 0.9501}
    assert match_thresholds(POSTERIORS, ROWS, allowed(), floors)["1"] == 0.9001
