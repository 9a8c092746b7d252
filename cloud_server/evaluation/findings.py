"""What the figures say in words: who is ahead of whom, and which targets are met."""

from collections.abc import Callable, Mapping, Sequence

from cloud_server.evaluation.answers import AnswerQuality
from cloud_server.evaluation.decisions import decide_detached
from cloud_server.evaluation.measures import Counted, is_right
from cloud_server.evaluation.rows import Sample
from cloud_server.evaluation.statistics import Share, mcnemar
from cloud_server.evaluation.systems import NAMES, NEEDED, System
from cloud_server.evaluation.tables import table

RIVALS = ("deployed", "attached", "lora", "dora")
SIGNIFICANT = 0.05


def compare(
    first: System, second: System, tests: Sequence[Sample], concerns: Callable[[Sample], bool]
) -> str:
    """Return in one sentence which of two systems is right more often on the rows that count."""
    chosen = [index for index, sample in enumerate(tests) if concerns(sample)]

    def right(system: System) -> list[bool]:
        return [is_right((tests[index], system.decisions[index])) for index in chosen]

    one, two = right(first), right(second)
    p_value = mcnemar(one, two)
    if p_value >= SIGNIFICANT:
        verdict = f"no difference that could not be chance between {NAMES[first.key]} and {NAMES[second.key]}"
    else:
        if sum(two) > sum(one):
            first, second, one, two = second, first, two, one
        verdict = f"**{NAMES[first.key]}** is ahead of {NAMES[second.key]}"
    shares = f"{100 * Share.of(one).rate:.1f} % against {100 * Share.of(two).rate:.1f} %"
    return f"{verdict} ({shares}; McNemar's exact p {p_text(p_value)}, n {len(chosen)})"


def p_text(p_value: float) -> str:
    """Return a p-value as it is written."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def verdicts(systems: Mapping[str, System], tests: Sequence[Sample]) -> str:
    """Return how the deployed system compares with every rival, and the attached shadow with the
    others that answer alone, as a list."""
    pairs = [("deployed", key) for key in RIVALS[1:]] + [("attached", key) for key in RIVALS[2:]]
    lines = []
    for what, concerns in (
        ("All test rows", lambda sample: True),
        ("Commands", lambda sample: sample.row.label != "REMOTE"),
        ("Rows out of scope", lambda sample: sample.row.label == "REMOTE"),
    ):
        for one, two in pairs:
            if two in systems:
                lines.append(f"- {what}: {compare(systems[one], systems[two], tests, concerns)}.")
    return "\n".join(lines)


def texts_seen(systems: Mapping[str, System]) -> str:
    """Return how many texts the rivals learnt from, in words; nothing where it is not told or is the same."""
    seen = {key: systems[key].about.get("texts_seen") for key in RIVALS[1:] if key in systems}
    known = {key: int(count) for key, count in seen.items() if count is not None}
    if len(set(known.values())) < 2:
        return ""
    told = ", ".join(f"{NAMES[key]} {count:,}" for key, count in known.items())
    return (
        f"Texts seen in training: {told}. **These comparisons are of what trainings of that length "
        "give, not of the methods.**"
    )


def ablation_verdicts(systems: Mapping[str, System], tests: Sequence[Sample]) -> str:
    """Return how the shipped shadow compares with those that lack one thing, as a list."""
    pairs = (
        ("detached", "detached_uncalibrated"),
        ("attached", "attached_no_update"),
    )
    return "\n".join(
        f"- {compare(systems[one], systems[two], tests, lambda sample: True)}."
        for one, two in pairs
        if two in systems
    )


def one_shadow(systems: Mapping[str, System]) -> str:
    """Return whether edge, detached and attached are of one adapter, in words; nothing where they are."""
    marks = {key: systems[key].adapter for key in NEEDED}
    if len(set(marks.values())) == 1 and None not in marks.values():
        return ""
    told = ", ".join(f"{NAMES[key].split(':')[0]}: {adapter_text(systems[key])}" for key in NEEDED)
    if len({mark for mark in marks.values() if mark}) > 1:
        return f"**What is put together here is not of one shadow ({told}).**"
    return f"Whether all of it is of one shadow is not told ({told})."


def adapter_text(system: System) -> str:
    """Return which adapter a file of predictions is of, as far as it tells."""
    return f"adapter {system.adapter[:12] if system.adapter else 'not told'}"


def ranking(counted: Mapping[str, Counted]) -> str:
    """Return who is right most often of all rows, and who acts least out of scope, in words."""
    rivals = [key for key in RIVALS if key in counted]
    by_right = sorted(rivals, key=lambda key: -counted[key].right.rate)
    by_care = sorted(rivals, key=lambda key: counted[key].out_of_scope.rate)
    most = ", then ".join(
        f"{NAMES[key]} ({100 * counted[key].right.rate:.1f} %)" for key in by_right
    )
    least = ", then ".join(
        f"{NAMES[key]} ({100 * counted[key].out_of_scope.rate:.2f} %)" for key in by_care
    )
    return f"Most test rows decided rightly: {most}. Fewest rows out of scope acted on: {least}."


def bundle_gap(edge: System, detached: System, tests: Sequence[Sample]) -> float:
    """Return by how many points the bundle's shadow is right more often than the one in fp32.

    Both alone, by the same thresholds; of test_normal, without what the reflex took.
    """
    thresholds = detached.about["thresholds"]
    chosen = [
        index
        for index, sample in enumerate(tests)
        if sample.file == "test_normal" and edge.decisions[index].by != "reflex"
    ]
    shares = [
        Share.of(
            [
                is_right((tests[index], decide_detached(predictions[name], thresholds)))
                for index in chosen
                for name in [tests[index].row.id]
            ]
        )
        for predictions in (edge.predictions, detached.predictions)
    ]
    return _points(*shares)


def targets_table(
    counted: Mapping[str, Counted],
    systems: Mapping[str, System],
    tests: Sequence[Sample],
    qualities: Mapping[str, AnswerQuality],
) -> str:
    """Return the targets that the project set itself, and whether edge and deployed system meet them."""
    pair = (counted["edge"], counted["deployed"])
    rows = [
        (
            "commands of test_normal right",
            "≥ 98.5 %",
            [_judged(str(c), c.rate >= 0.985) for c in (p.commands["test_normal"] for p in pair)],
        )
    ]
    for name, most in (("general requests", 0.005), ("near-misses", 0.03)):
        acted = [each.acted_on[name] for each in pair]
        cells = [_judged(str(each), each.rate <= most) for each in acted]
        rows.append((f"acts on {name}", f"≤ {100 * most:g} %", cells))
    cells = [
        _judged(f"{each.tier_3.hits} of {each.tier_3.count}", each.tier_3.hits == 0)
        for each in pair
    ]
    rows.append(("acts into tier 3 out of scope", "0", cells))
    languages = [
        _points(each.commands["test_normal zh"], each.commands["test_normal en"]) for each in pair
    ]
    cells = [_judged(f"{each:+.1f} points", abs(each) <= 1) for each in languages]
    rows.append(("Chinese against English, test_normal", "within 1 point", cells))
    gap = bundle_gap(systems["edge"], systems["detached"], tests)
    cells = [_judged(f"{gap:+.1f} points", abs(gap) <= 0.5), "–"]
    rows.append(
        (
            "the shadow alone in int8 against fp32, test_normal but for the reflex's rows",
            "within 0.5 points",
            cells,
        )
    )
    spoken = qualities["deployed"]
    for what, wanted, share, least in (
        ("answers to requests in the speaker's language", "≥ 98 %", spoken.in_language, 0.98),
        ("answers without brackets", "all", spoken.without_brackets, 1),
        ("answers without loops", "all", spoken.without_loops, 1),
        ("answers of sane length", "all", spoken.of_sane_length, 1),
    ):
        rows.append((what, wanted, ["–", _judged(str(share), share.rate >= least)]))
    return table(
        ["target", "wanted", NAMES["edge"], NAMES["deployed"]],
        ([what, wanted, *measured] for what, wanted, measured in rows),
    )


def _judged(measured: str, met: bool) -> str:
    return f"{measured}: {'met' if met else '**missed**'}"


def _points(first: Share, second: Share) -> float:
    return 100 * (first.rate - second.rate)
