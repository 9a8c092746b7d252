"""One threshold a tier, chosen on the calibration split by Learn-then-Test: risks bounded with confidence.

Thresholds go along one path, from strict to loose. Every step is a hypothesis test per risk, with
exact binomial tails, in a fixed order that ends at the first failure, so that with probability
`CONFIDENCE` no risk of the chosen thresholds exceeds its bound on new rows of the same kind. That is exact for a model
that these rows had no part in; ours had one number fitted on them, its temperature, and was compared with others on them.
Source: Angelopoulos et al., Learn then Test (arXiv 2110.01052), fixed-sequence testing.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cloud_server.training.data import Row
from shared.skills import SKILLS, Tier
from shared.tags import TAGS

CONFIDENCE = 0.95

PATH = tuple(round(0.99 - 0.01 * step, 2) for step in range(60))
"""What an in-place skill's threshold is at each step; 0.40 is the loosest."""

MARGIN = {Tier.SAFE: 2.0, Tier.IN_PLACE: 1.0, Tier.NEEDS_SPACE: 0.75, Tier.DANGEROUS: 0.1}
"""What share of the doubt allowed in place is allowed in a tier: a doubtful wish to stop stops the dog."""


@dataclass(frozen=True)
class Risk:
    """The share of some REMOTE rows that is acted on, and what it may be at most."""

    name: str
    most: float
    concerns: Callable[[Row], bool]
    tiers: frozenset[Tier] = frozenset(Tier)


RISKS = (
    Risk("requests", 0.005, lambda row: row.kind == "request"),
    Risk("near misses", 0.04, lambda row: row.kind != "request"),
    Risk("into tier 3", 0.0025, lambda row: True, frozenset({Tier.DANGEROUS})),
)
"""What is bounded. What is measured lies below a bound by the doubt of a thousand rows: about 3 % where 4 % is certain."""


@dataclass(frozen=True)
class Choice:
    """Thresholds by tier ("0" to "3") and, per risk, what was counted where they were chosen.

    certified: whether every risk is bounded; False only where even the strictest thresholds fail,
    which are then taken.
    """

    thresholds: dict[str, float]
    counts: dict[str, dict[str, Any]]
    certified: bool

    @property
    def doubts(self) -> list[str]:
        """What keeps each risk that is not bounded from being so, in words."""
        return [_doubt(name, **each) for name, each in self.counts.items() if not _is_bounded(each)]


def least_rows(most: float) -> int:
    """Return how many rows bound a risk at `most` with `CONFIDENCE` where none of them is acted on."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-most))


def _doubt(name: str, rows: int, acted_on: int, most: float, **_: float) -> str:
    needed = least_rows(most)
    why = f"it takes {needed:,}" if rows < needed else "too many"
    return f"{name}: {acted_on:,} of {rows:,} rows acted on, {why} for at most {100 * most:g} %"


def _is_bounded(count: Mapping[str, Any]) -> bool:
    return bool(count["p_value"] <= 1 - CONFIDENCE)


def choose_thresholds(
    posteriors: Tensor,
    rows: Sequence[Row],
    allowed: Mapping[str, int] | None = None,
    least: Mapping[str, float] | None = None,
) -> Choice:
    """Return the loosest thresholds whose risks are bounded; posteriors [rows, tags] are the rows'.

    allowed, least: see `choose_for`.
    """
    return choose_for(*best_skills(posteriors), rows, RISKS, allowed, least)


def choose_for(
    best: Sequence[float],
    tiers: Sequence[Tier | None],
    rows: Sequence[Row],
    risks: Sequence[Risk],
    allowed: Mapping[str, int] | None = None,
    least: Mapping[str, float] | None = None,
    right: Tensor | None = None,
) -> Choice:
    """Return the loosest thresholds on `best` whose risks are bounded; see `best_skills`.

    allowed: how many of these rows may be acted on by a risk's name, bounded or not: as many as a
    shadow that is in use already acts on. least: by tier, what no threshold is below. right [rows]: whose best tags are theirs; then the strictest
    thresholds are taken that act on as many of these as the loosest do, since what no command
    needs only lets the dog act wrongly. What is not certified is told on stderr.
    """
    allowed = allowed or {}
    passed: list[Choice] = []
    served: list[int] = []
    for step in PATH:
        thresholds = thresholds_at(step, least)
        acted = _acted(best, tiers, thresholds)
        counts = _count_all(risks, rows, acted, tiers)
        bounded = all(map(_is_bounded, counts.values()))
        kept = bounded or all(
            _is_bounded(count) or count["acted_on"] <= allowed.get(name, -1)
            for name, count in counts.items()
        )
        if kept or not passed:
            passed.append(Choice(thresholds, counts, bounded))
            served.append(0 if right is None else int(acted[right].sum()))
        if not kept:
            break
    choice = passed[-1 if right is None else served.index(served[-1])]
    if not choice.certified:
        doubts = "; ".join(choice.doubts)
        print(f"thresholds are not certified: {doubts}", file=sys.stderr, flush=True)
    return choice


def thresholds_at(in_place: float, least: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return every tier's threshold, the path's loosest at least, where an in-place skill's is `in_place`.

    least: by tier, what no threshold is below either.
    """
    least = least or {}
    found = {str(int(tier)): 1 - (1 - in_place) * share for tier, share in MARGIN.items()}
    return {
        tier: round(max(PATH[-1], value, least.get(tier, 0.0)), 6) for tier, value in found.items()
    }


def count_risks(
    best: Sequence[float],
    tiers: Sequence[Tier | None],
    rows: Sequence[Row],
    thresholds: Mapping[str, float],
    risks: Sequence[Risk] = RISKS,
) -> dict[str, dict[str, Any]]:
    """Return per risk how many rows it concerns and how many are acted on; see `best_skills`."""
    return _count_all(risks, rows, _acted(best, tiers, thresholds), tiers)


def _acted(
    best: Sequence[float], tiers: Sequence[Tier | None], thresholds: Mapping[str, float]
) -> Tensor:
    """Return [rows]: which are acted on."""
    return torch.tensor(
        [
            tier is not None and value >= thresholds[str(int(tier))]
            for value, tier in zip(best, tiers, strict=True)
        ]
    )


def best_skills(posteriors: Tensor) -> tuple[list[float], list[Tier | None]]:
    """Return the rows' greatest probabilities and the tiers of their tags, None for `[REMOTE]`."""
    best = posteriors.max(dim=1)
    tiers = [SKILLS[index].tier if index < len(SKILLS) else None for index in best.indices.tolist()]
    return best.values.tolist(), tiers


def _count_all(
    risks: Sequence[Risk], rows: Sequence[Row], acted: Tensor, tiers: Sequence[Tier | None]
) -> dict[str, dict[str, Any]]:
    return {risk.name: _count(risk, rows, acted, tiers) for risk in risks}


def _count(
    risk: Risk, rows: Sequence[Row], acted: Tensor, tiers: Sequence[Tier | None]
) -> dict[str, Any]:
    concerned = [
        bool(did) and tier in risk.tiers
        for row, did, tier in zip(rows, acted, tiers, strict=True)
        if row.label == "REMOTE" and risk.concerns(row)
    ]
    wrong, total = sum(concerned), len(concerned)
    p_value = binomial_tail(wrong, total, risk.most)
    return {"rows": total, "acted_on": wrong, "most": risk.most, "p_value": round(p_value, 6)}


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return P(X <= successes) for X binomial: the p-value of "the rate is above `probability`"."""
    return min(
        1.0,
        math.fsum(
            math.exp(
                _log_combinations(trials, k)
                + k * math.log(probability)
                + (trials - k) * math.log1p(-probability)
            )
            for k in range(successes + 1)
        ),
    )


def _log_combinations(trials: int, chosen: int) -> float:
    """Return the logarithm of a number that itself may be too large for a float."""
    return math.lgamma(trials + 1) - math.lgamma(chosen + 1) - math.lgamma(trials - chosen + 1)


def decide(posterior: Tensor, thresholds: Mapping[str, float]) -> tuple[str, float]:
    """Return (label after thresholds, best tag's probability) of one row's posterior [35]."""
    probability, index = posterior.max(dim=0)
    value, tag_index = float(probability), int(index)
    if tag_index == len(TAGS) - 1:
        return "REMOTE", value
    skill = SKILLS[tag_index]
    return (skill.name if value >= thresholds[str(int(skill.tier))] else "REMOTE"), value


def validation_figures(
    posteriors: Tensor, rows: Sequence[Row], thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Return shares right and wrong on the validation split, after thresholds."""
    decided = [decide(posterior, thresholds)[0] for posterior in posteriors]
    pairs = list(zip(rows, decided, strict=True))
    commands = [(row, label) for row, label in pairs if row.label != "REMOTE"]
    remote = [(row, label) for row, label in pairs if row.label == "REMOTE"]
    near = [(row, label) for row, label in remote if row.kind == "near_miss"]

    def share(chosen: list[tuple[Row, str]], right: bool) -> float:
        hits = sum((row.label == label) == right for row, label in chosen)
        return round(hits / max(1, len(chosen)), 4)

    return {
        "split": "validation",
        "thresholds": thresholds,
        "commands": {"n": len(commands), "right": share(commands, True)},
        "commands_by_lang": {
            lang: share([pair for pair in commands if pair[0].lang == lang], True)
            for lang in ("en", "zh")
        },
        "remote": {"n": len(remote), "acted_on": share(remote, False)},
        "near_misses": {"n": len(near), "acted_on": share(near, False)},
        "commands_deferred": round(
            sum(label == "REMOTE" for _, label in commands) / max(1, len(commands)), 4
        ),
    }
