"""What is counted of a system's decisions on the test rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloud_server.evaluation.decisions import Decision, best_tag, decide_deployed
from cloud_server.evaluation.rows import CALIBRATION, COMMANDS, OUT_OF_SCOPE, TESTS, Group, Sample
from cloud_server.evaluation.statistics import (
    Bin,
    Share,
    area_under_curve,
    calibration_error,
    reliability,
)
from cloud_server.evaluation.systems import System
from shared.skills import Tier, skill

LANGUAGES = ("en", "zh")

Pair = tuple[Sample, Decision]


@dataclass(frozen=True)
class Counted:
    """A system's shares. commands and acted_on go by a group's name, with " en" and " zh" for a
    language's part of the commands.

    commands: given their skill. separation: the AUROC of deferral, None where a system's probabilities were not kept. wrong_skill, deferred: of all commands. acted_on: of a group out of
    scope. tier_3: of all rows out of scope, acted on with a skill of tier 3. invented: answers with a
    bracketed name that is no skill, of all rows. right: all rows. routes: who decided.
    """

    commands: dict[str, Share]
    wrong_skill: Share
    deferred: Share
    acted_on: dict[str, Share]
    tier_3: Share
    out_of_scope: Share
    invented: Share
    right: Share
    paper_split: Share
    separation: float | None
    routes: dict[str, int]
    acted_by_language: dict[str, Share]
    right_by_language: dict[str, Share]


def count(system: System, tests: Sequence[Sample]) -> Counted:
    """Return what is counted of a system; the tests are those that its decisions are about."""
    pairs = list(zip(tests, system.decisions, strict=True))
    commands = [pair for pair in pairs if pair[0].row.label != "REMOTE"]
    remote = [pair for pair in pairs if pair[0].row.label == "REMOTE"]
    by_group: dict[str, Share] = {}
    for group in COMMANDS:
        inside = _inside(pairs, group)
        by_group[group.name] = _share(inside, is_right)
        for lang in LANGUAGES:
            by_group[f"{group.name} {lang}"] = _share(_spoken(inside, lang), is_right)
    paper = [pair for pair in pairs if pair[0].file in ("test_normal", "test_remote")]
    return Counted(
        commands=by_group,
        wrong_skill=_share(commands, lambda pair: pair[1].acts and not is_right(pair)),
        deferred=_share(commands, lambda pair: not pair[1].acts),
        acted_on={
            each.name: _share(_inside(remote, each), lambda pair: pair[1].acts)
            for each in OUT_OF_SCOPE
        },
        tier_3=_share(remote, into_tier_3),
        out_of_scope=_share(remote, lambda pair: pair[1].acts),
        invented=_share(pairs, lambda pair: bool(pair[1].invented)),
        right=_share(pairs, is_right),
        paper_split=_share(paper, is_right),
        separation=_separation(pairs),
        routes={
            by: sum(decision.by == by for _, decision in commands)
            for by in ("reflex", "edge", "cloud", "model")
        },
        acted_by_language={
            lang: _share(_spoken(remote, lang), lambda pair: pair[1].acts) for lang in LANGUAGES
        },
        right_by_language={lang: _share(_spoken(pairs, lang), is_right) for lang in LANGUAGES},
    )


def _separation(pairs: Sequence[Pair]) -> float | None:
    """Return how well the best skill's probability tells rows out of scope from commands; None where it is unknown."""
    sure = [pair[1].skill_probability for pair in pairs]
    known = [each for each in sure if each is not None]
    if len(known) < len(sure):
        return None
    return area_under_curve(
        [-each for each in known], [sample.row.label == "REMOTE" for sample, _ in pairs]
    )


def is_right(pair: Pair) -> bool:
    """Return whether the decision is the row's label."""
    return pair[1].label == pair[0].row.label


def into_tier_3(pair: Pair) -> bool:
    """Return whether the decision leaves the ground."""
    return pair[1].acts and skill(pair[1].label).tier is Tier.DANGEROUS


def _inside(pairs: Sequence[Pair], group: Group) -> list[Pair]:
    return [pair for pair in pairs if group.holds(pair[0].row, pair[0].file)]


def _spoken(pairs: Sequence[Pair], language: str) -> list[Pair]:
    return [pair for pair in pairs if pair[0].row.lang == language]


def _share(pairs: Sequence[Pair], counts: Callable[[Pair], bool]) -> Share:
    return Share.of([counts(pair) for pair in pairs])


@dataclass(frozen=True)
class Calibration:
    """How well a shadow's best probability says how often it is right, on some rows."""

    rows: int
    error: float
    bins: list[Bin]


def measure_calibration(
    system: System, samples: Sequence[Sample], *, on_tests: bool
) -> Calibration | None:
    """Return the calibration on the test rows, or on those it was fitted on; None without predictions."""
    chosen = [
        each
        for each in samples
        if each.file in (TESTS if on_tests else (CALIBRATION,))
        and each.row.id in system.predictions
    ]
    if not chosen:
        return None
    best = [best_tag(system.predictions[each.row.id], each.row) for each in chosen]
    bins = reliability([p for p, _ in best], [right for _, right in best])
    return Calibration(len(chosen), calibration_error(bins), bins)


@dataclass(frozen=True)
class Belief:
    """What edge and cloud do together, on the calibration rows, where the rule asks for `least`."""

    least: float
    commands: Share
    acted_on: dict[str, Share]
    tier_3: Share


def try_beliefs(
    edge: System, attached: System, samples: Sequence[Sample], tried: Sequence[float]
) -> list[Belief]:
    """Return what each least belief of the cloud's rule comes to; nothing without predictions."""
    rows = [
        each
        for each in samples
        if each.file == CALIBRATION
        and each.row.id in edge.predictions
        and each.row.id in attached.predictions
    ]
    beliefs = []
    for least in tried if rows else ():
        pairs = [
            (
                each,
                decide_deployed(
                    each.row, edge.predictions[name], attached.predictions[name], least
                ),
            )
            for each in rows
            for name in [each.row.id]
        ]
        remote = [pair for pair in pairs if pair[0].row.label == "REMOTE"]
        beliefs.append(
            Belief(
                least,
                _share([pair for pair in pairs if pair[0].row.label != "REMOTE"], is_right),
                {
                    group.name: _share(_inside(remote, group), lambda pair: pair[1].acts)
                    for group in OUT_OF_SCOPE
                },
                _share(remote, into_tier_3),
            )
        )
    return beliefs
