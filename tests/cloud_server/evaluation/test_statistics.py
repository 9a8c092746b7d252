"""Intervals, paired tests, curves and calibration against hand-counted or published values."""

import math
import random

import pytest

from cloud_server.evaluation.statistics import (
    Bin,
    Share,
    area_under_curve,
    calibration_error,
    mcnemar,
    reliability,
    risk_coverage,
)


def test_wilson_intervals_are_the_published_ones() -> None:
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Share(hits, count).interval == pytest.approx((low, high), abs=5e-5)
    assert Share(20, 20).interval[1] == 1.0


def test_a_share_is_written_in_percents_and_nothing_of_nothing() -> None:
    assert str(Share.of([True, True, False, True])) == "75.0 % (30.1 to 95.4)"
    assert str(Share(0, 0)) == "–"
    assert math.isnan(Share(0, 0).rate)


def test_mcnemar_counts_only_rows_on_which_two_differ() -> None:
    first = [True] * 50 + [True] * 6 + [False] * 1
    second = [True] * 50 + [False] * 6 + [True] * 1
    assert mcnemar(first, second) == pytest.approx(2 * 8 / 128)
    assert mcnemar(second, first) == mcnemar(first, second)
    assert mcnemar(first, first) == 1.0


def test_the_area_under_the_curve_is_that_of_counting_pairs() -> None:
    drawn = random.Random(3)
    scores = [drawn.randrange(6) / 5 for _ in range(60)]
    positive = [drawn.random() < 0.4 for _ in range(60)]
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, is_a in zip(scores, positive, strict=True)
        for b, is_b in zip(scores, positive, strict=True)
        if is_a and not is_b
    ]
    assert area_under_curve(scores, positive) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(area_under_curve([0.5], [True]))


def test_risk_grows_with_coverage_and_equals_come_in_together() -> None:
    coverage, risk = risk_coverage([0.9, 0.5, 0.5, 0.1], [False, True, False, True])
    assert coverage == [0.25, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 3, 1 / 2])


def test_the_calibration_error_weighs_each_bins_gap() -> None:
    bins = reliability([0.05, 0.95, 0.95, 1.0], [False, True, True, False], bins=10)
    assert bins == [Bin(1, 0.05, 0.0), Bin(3, pytest.approx(2.9 / 3), pytest.approx(2 / 3))]
    assert calibration_error(bins) == pytest.approx(0.25 * 0.05 + 0.75 * 0.3)


def test_mcnemar_holds_for_thousands_of_rows() -> None:
    assert mcnemar([True] * 3000, [False] * 3000) < 1e-300
    even = [number % 2 == 0 for number in range(3000)]
    assert mcnemar(even, [not each for each in even]) == 1.0
