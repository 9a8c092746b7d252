"""One threshold a tier, chosen on the validation split by a stated rule."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cloud_server.training.data import Row
from shared.skills import SKILLS, Tier
from shared.tags import TAGS

FLOORS = {Tier.SAFE: 0.5, Tier.IN_PLACE: 0.5, Tier.NEEDS_SPACE: 0.6, Tier.DANGEROUS: 0.9}
"""No threshold lies below its tier's floor, however clean the validation split is."""

CEILINGS = {Tier.SAFE: 0.9, Tier.IN_PLACE: 0.95, Tier.NEEDS_SPACE: 0.97, Tier.DANGEROUS: 0.995}
"""No threshold lies above its tier's ceiling: beyond it more commands are lost than mistakes kept out."""

MOST_FALSE_SHARE = {
    Tier.SAFE: 0.002,
    Tier.IN_PLACE: 0.002,
    Tier.NEEDS_SPACE: 0.002,
    Tier.DANGEROUS: 0.0,
}
"""The share of the remote rows of either kind that may be acted on with a skill of the tier."""


def choose_thresholds(posteriors: Tensor, rows: Sequence[Row]) -> dict[str, float]:
    """Return for each tier ("0" to "3") the lowest threshold that keeps its false executes in bounds.

    posteriors: [rows, 35]. Rule: of the remote rows whose best tag is a skill of the tier, at most
    the tier's share of all remote rows may reach the threshold; it lies just above the first
    probability that must be kept out, never below the tier's floor nor above its ceiling.
    """
    best = posteriors.max(dim=1)
    remote = torch.tensor([row.label == "REMOTE" for row in rows])
    tier_of = {index: skill.tier for index, skill in enumerate(SKILLS)}
    tiers = torch.tensor([int(tier_of.get(int(index), -1)) for index in best.indices])
    thresholds = {}
    for tier in Tier:
        wrong = sorted(best.values[remote & (tiers == int(tier))].tolist(), reverse=True)
        allowed = int(MOST_FALSE_SHARE[tier] * int(remote.sum()))
        needed = wrong[allowed] + 1e-6 if len(wrong) > allowed else 0.0
        thresholds[str(int(tier))] = round(min(max(needed, FLOORS[tier]), CEILINGS[tier]), 6)
    return thresholds


def decide(posterior: Tensor, thresholds: dict[str, float]) -> tuple[str, float]:
    """Return (label after thresholds, best tag's probability) of one row's posterior [35]."""
    probability, index = posterior.max(dim=0)
    value, tag_index = float(probability), int(index)
    if tag_index == len(TAGS) - 1:
        return "REMOTE", value
    skill = SKILLS[tag_index]
    return (skill.name if value >= thresholds[str(int(skill.tier))] else "REMOTE"), value
