"""What the figures say in words: who is ahead of whom, and which targets are met."""

from collections.abc import Callable, Mapping, Sequence

from cloud_server.evaluation.answers import AnswerQuality
from cloud_server.evaluation.measures import Counted, is_right
from cloud_server.evaluation.rows import Sample
from cloud_server.evaluation.statistics import Share, mcnemar
from cloud_server.evaluation.systems import NAMES, System
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
    shares = f"{100 * Share.of(one).rate:.1f} % against {100 * Share.of(two).rate:.1f} %"
    ahead, behind = (first, second) if sum(one) >= sum(two) else (second, first)
    if p_value >= SIGNIFICANT:
        verdict = f"no difference that could not be chance between {NAMES[first.key]} and {NAMES[second.key]}"
    else:
        verdict = f"**{NAMES[ahead.key]}** is ahead of {NAMES[behind.key]}"
    return f"{verdict} ({shares}; McNemar's exact p {p_text(p_value)}, n {len(chosen)})"


def p_text(p_value: float) -> str:
    """Return a p-value as it is written."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def verdicts(systems: Mapping[str, System], tests: Sequence[Sample]) -> str:
    """Return the comparisons of the deployed system with every other, as a list."""
    lines = []
    for what, concerns in (
        ("All test rows", lambda sample: True),
        ("Commands", lambda sample: sample.row.label != "REMOTE"),
        ("Rows out of scope", lambda sample: sample.row.label == "REMOTE"),
    ):
        for key in RIVALS[1:]:
            if key in systems:
                lines.append(
                    f"- {what}: {compare(systems['deployed'], systems[key], tests, concerns)}."
                )
    return "\n".join(lines)


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


def targets_table(counted: Mapping[str, Counted], qualities: Mapping[str, AnswerQuality]) -> str:
    """Return the targets that the project set itself, and whether the shipped system meets them."""
    edge, deployed, detached = counted["edge"], counted["deployed"], counted["detached"]
    language_gap = _gap(edge.commands["test_normal en"], edge.commands["test_normal zh"])
    precision_gap = _gap(edge.commands["test_normal"], detached.commands["test_normal"])
    acted = deployed.acted_on
    normal = deployed.commands["test_normal"]
    rows = [
        ("commands of test_normal right", "≥ 98.5 %", str(normal), normal.rate >= 0.985),
        *(
            (f"acts on {name}", f"≤ {100 * most:g} %", str(acted[name]), acted[name].rate <= most)
            for name, most in (("general requests", 0.005), ("near-misses", 0.03))
        ),
        (
            "acts into tier 3 out of scope",
            "0",
            f"{deployed.tier_3.hits} of {deployed.tier_3.count}",
            deployed.tier_3.hits == 0,
        ),
        (
            "a tag outside the catalogue that moves the dog",
            "never",
            "cannot: only a catalogue's tag is read as a skill",
            True,
        ),
        (
            "int8 bundle with the reflex against fp32 without, test_normal",
            "≤ 0.5 points behind",
            f"{precision_gap:+.1f} points",
            precision_gap >= -0.5,
        ),
        (
            "Chinese against English, test_normal, edge alone",
            "within 1 point",
            f"{-language_gap:+.1f} points",
            abs(language_gap) <= 1,
        ),
    ]
    if "attached" in qualities:
        spoken = qualities["attached"].in_language
        rows.append(
            ("answers in the speaker's language", "≥ 98 %", str(spoken), spoken.rate >= 0.98)
        )
    return table(
        ["target", "wanted", "edge and cloud together", ""],
        ((what, wanted, got, "met" if met else "**missed**") for what, wanted, got, met in rows),
    )


def _gap(first: Share, second: Share) -> float:
    return 100 * (first.rate - second.rate)
