"""Shares with their intervals, paired tests, curves of risk, and calibration; no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """`hits` of `count`, with the Wilson interval at 95 % (Wilson 1927); nothing of nothing."""

    hits: int
    count: int

    @classmethod
    def of(cls, values: Sequence[bool]) -> "Share":
        return cls(sum(values), len(values))

    @property
    def rate(self) -> float:
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.count:
            return math.nan, math.nan
        n, p = self.count, self.rate
        middle = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
        half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n))
        low = 0.0 if self.hits == 0 else middle - half
        return low, 1.0 if self.hits == n else middle + half

    def __str__(self) -> str:
        """Return it as percents: "93.1 % (89.7 to 95.5)"."""
        if not self.count:
            return "–"
        low, high = self.interval
        return f"{100 * self.rate:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the exact two-sided p-value that two systems are right equally often on the same rows."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    trials = only_first + only_second
    if not trials:
        return 1.0
    tail = sum(math.comb(trials, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << trials))


def area_under_curve(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Return the AUROC: how often a positive row scores above a negative one, ties half."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + end + 1) / 2
        start = end
    positives = sum(positive)
    negatives = len(positive) - positives
    if not positives or not negatives:
        return math.nan
    total = sum(rank for rank, is_positive in zip(ranks, positive, strict=True) if is_positive)
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def risk_coverage(
    confidence: Sequence[float], wrong: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """Return coverage and risk where the surest 1, 2, ... of the rows are acted on.

    Rows that are equally sure come in together.
    """
    order = sorted(range(len(confidence)), key=lambda index: -confidence[index])
    coverage, risk, errors = [], [], 0
    for number, index in enumerate(order, 1):
        errors += wrong[index]
        last = number == len(order) or confidence[order[number]] < confidence[index]
        if last:
            coverage.append(number / len(order))
            risk.append(errors / number)
    return coverage, risk


@dataclass(frozen=True)
class Bin:
    """Rows whose confidence is in one of the equally wide bins."""

    count: int
    confidence: float
    accuracy: float


def reliability(confidence: Sequence[float], right: Sequence[bool], bins: int = 15) -> list[Bin]:
    """Return the bins that hold rows, from unsure to sure."""
    filled = []
    for number in range(bins):
        inside = [i for i, p in enumerate(confidence) if min(int(p * bins), bins - 1) == number]
        if inside:
            mean = sum(confidence[i] for i in inside) / len(inside)
            filled.append(Bin(len(inside), mean, sum(right[i] for i in inside) / len(inside)))
    return filled


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error of the bins of `reliability` (Guo et al. 2017)."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / total
