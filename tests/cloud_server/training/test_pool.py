"""Weighing a second reader against a shadow, and choosing how sure both must be."""

import numpy as np
import pytest
import torch

from cloud_server.training.pool import NEAR_MISSES, Readings, choose_weights, weigh_reader
from cloud_server.training.thresholds import best_skills
from shared.bundle import SecondReading
from shared.skills import Tier
from shared.tags import TAGS, print_tag
from tests.cloud_server.training.test_thresholds import REMOTE, posteriors_of, remote_rows, row

SIT = TAGS.index(print_tag("Sit"))


def scores_of(liked: list[int]) -> np.ndarray:
    scores = np.full((len(liked), len(TAGS)), -4.0)
    scores[np.arange(len(liked)), liked] = 4.0
    return scores


def test_the_reader_that_is_right_gets_the_weight() -> None:
    rows = [
        row(0, "Sit"),
        row(1, "REMOTE", "near_miss"),
        row(2, "Sit"),
        row(3, "REMOTE", "request"),
    ]
    right = [SIT, REMOTE, SIT, REMOTE]
    vague = torch.full((4, len(TAGS)), 1 / len(TAGS))
    shadow_weight, reader_weight = choose_weights(Readings(rows, vague, scores_of(right)))
    assert reader_weight == 1.0
    sharp = posteriors_of(rows, [("Sit", 0.99)])
    sharp[2] = sharp[0]
    confused = np.random.default_rng(1).normal(size=(4, len(TAGS)))
    shadow_weight, reader_weight = choose_weights(Readings(rows, sharp, confused))
    assert shadow_weight == 1.0
    assert reader_weight < 0.3


def test_what_the_shadow_holds_unlikely_is_not_sure() -> None:
    rows = [row(0, "Sit"), row(1, "FrontFlip")]
    posteriors = posteriors_of(rows, [("Sit", 0.6), ("FrontFlip", 0.9)])
    flip = TAGS.index(print_tag("FrontFlip"))
    sure, _ = best_skills(Readings(rows, posteriors, scores_of([SIT, flip])).judge(0.5, 1.0))
    assert sure[0] > 0.9
    assert sure[1] == 0.0, "tier 3 asks for 0.95 of the shadow itself"


def test_the_tag_is_the_one_that_both_are_surest_of() -> None:
    rows = [row(0, "Sit"), row(1, "REMOTE", "near_miss")]
    posteriors = posteriors_of([row(0, "REMOTE")] * 2, [])
    posteriors[:, SIT], posteriors[:, REMOTE] = 0.3, 0.5
    readings = Readings(rows, posteriors, scores_of([SIT, REMOTE]))
    chosen = readings.judge(0.4, 0.8)
    sure, tiers = best_skills(chosen)
    assert tiers == [Tier.IN_PLACE, None], "the shadow alone would defer both"
    assert chosen.argmax(1).tolist() == [SIT, REMOTE]
    assert readings.pool(0.4, 0.8).max(1).values.tolist() == pytest.approx(sure)


def test_near_misses_are_bounded_by_the_confidence_of_both() -> None:
    rows = remote_rows(1200, 1000)
    posteriors = posteriors_of(rows, [])
    near = [index for index, each in enumerate(rows) if each.kind == "near_miss"]
    for index in near[:60]:  # six in a hundred: too many for the shadow alone
        posteriors[index] = posteriors_of([row(0, "REMOTE")], [("Sit", 0.97)])[0]
    doubting = Readings(rows, posteriors, scores_of([REMOTE] * len(rows)))
    agreeing = scores_of([REMOTE] * len(rows))
    agreeing[near[:60]] = scores_of([SIT] * 60)
    choice = doubting.choose(0.5, 1.0)
    assert choice.certified
    assert choice.counts["near misses"]["acted_on"] == 0
    assert choice.counts["near misses"]["most"] == NEAR_MISSES
    assert not Readings(rows, posteriors, agreeing * 8).choose(0.5, 1.0).certified


def test_thresholds_are_no_looser_than_commands_need() -> None:
    rows = [*remote_rows(1900, 1000), *(row(i, "Sit") for i in range(3))]
    posteriors = posteriors_of(rows, [])
    posteriors[-3:] = posteriors_of(rows[-3:], [("Sit", 0.99)] * 3)
    scores = scores_of([REMOTE] * (len(rows) - 3) + [SIT] * 3)
    scores[-1] = 0.0
    readings = Readings(rows, posteriors, scores)
    confidence = readings.pool(0.4, 0.1)[-3:, SIT]
    assert confidence[2] < confidence[0] - 0.02
    choice = readings.choose(0.4, 0.1)
    assert choice.certified
    assert confidence[2] - 0.01 < choice.thresholds["1"] <= confidence[2]


def test_what_takes_the_place_of_a_pair_in_use_is_no_looser() -> None:
    rows = [*remote_rows(1900, 1000), row(0, "Sit")]
    posteriors = posteriors_of(rows, [])
    posteriors[-1] = posteriors_of(rows[-1:], [("Sit", 0.9)])[0]
    scores = scores_of([REMOTE] * (len(rows) - 1) + [SIT])

    def weigh(in_use: SecondReading | None) -> SecondReading:
        return weigh_reader(lambda _: scores, lambda _: posteriors, rows, rows, in_use)[0]

    free = weigh(None)
    strict = {"0": 0.4, "1": 0.9999, "2": 0.4, "3": 0.4}
    in_use = SecondReading(shadow_weight=0.3, reader_weight=0.4, thresholds=strict)  # type: ignore[arg-type]
    kept = weigh(in_use)
    assert free.shadow_weight + free.reader_weight > 0.8
    assert kept.shadow_weight + kept.reader_weight == pytest.approx(0.7)
    for tier, threshold in kept.thresholds.items():
        assert threshold >= in_use.thresholds[tier]
    assert kept.thresholds["1"] == 0.9999 > free.thresholds["1"]
    assert kept.thresholds["2"] > 0.4, "what is in use is no reason to be looser than the rule"
