"""What each system does with a row: the skill it would carry out, how sure it is, what it says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud_server.api.answering import LEAST_BELIEF, may_be_meant
from cloud_server.engine import SpokenAnswer, end_loops
from cloud_server.training.data import Row
from shared.messages import EdgeDecision
from shared.skills import SKILL_NAMES, Tier, skill
from shared.tags import REMOTE, TAGS, parse_tag, print_tag, split_answer
from shared.text import guess_language

Prediction = Mapping[str, Any]

CLOUD_MAX_TIER = Tier.NEEDS_SPACE
"""The tier that the cloud may ask an edge for at most, unless its operator says otherwise (docs/decisions/0011)."""

_BRACKETED = re.compile(r"\[\s*([A-Za-z_]\w*)\s*(?:\(\s*\))?\s*\]")


@dataclass(frozen=True)
class Decision:
    """What a system does with a row.

    label: the skill carried out, or "REMOTE". skill_probability: what the best skill has, 0 to 1; of an answering
    model that its answer begins with a tag, None where that was not noted.
    said: the words, None where only a tag is given. invented: names in brackets that are no skill.
    by: which part decided.
    """

    label: str
    skill_probability: float | None
    said: str | None = None
    invented: tuple[str, ...] = ()
    by: str = "model"

    @property
    def acts(self) -> bool:
        return self.label != "REMOTE"


def decide_detached(prediction: Prediction, thresholds: Mapping[str, float]) -> Decision:
    """Return the detached shadow's decision: its best tag, where that clears its tier's threshold."""
    posterior: dict[str, float] = prediction["posterior"]
    best = max(posterior, key=posterior.__getitem__, default=REMOTE)
    name = parse_tag(best) or "REMOTE"
    clears = name != "REMOTE" and posterior[best] >= thresholds[str(int(skill(name).tier))]
    alone = {"posterior": posterior}
    return Decision(name if clears else "REMOTE", best_skill_probability(alone))


def decide_edge(prediction: Prediction) -> Decision:
    """Return the edge's own decision: reflex, thresholds and second reader included."""
    by_reflex = bool(prediction.get("reflex"))
    probability = 1.0 if by_reflex else best_skill_probability(prediction)
    return Decision(prediction["label"], probability, by="reflex" if by_reflex else "edge")


def decide_answering(prediction: Prediction) -> Decision:
    """Return what an answering model's own words do: the skill of the tag they begin with."""
    said: str = prediction["said"]
    name, words = split_answer(said)
    label = name or "REMOTE"
    begins_tag: float | None = prediction.get("tag_probability")
    return Decision(label, begins_tag, words, find_invented(said), "cloud")


def decide_deployed(
    row: Row, edge: Prediction, attached: Prediction, least: float = LEAST_BELIEF
) -> Decision:
    """Return what edge and cloud do together: the edge acts, or the cloud's answer is what counts.

    A skill of the cloud's passes only by the rule that the server itself uses (`may_be_meant`), and in
    the tiers that the edge lets the cloud ask for; there is no session, so "again" means nothing.
    least: the server's least belief, its own by default.
    """
    alone = decide_edge(edge)
    if alone.acts:
        return alone
    decided = EdgeDecision(
        tag=REMOTE,
        probability=max([0.0, *edge["posterior"].values()]),
        posterior=list(edge["posterior"].items()),
        fingerprint="",
        confidence=_seconded(edge),
    )
    answer = SpokenAnswer(
        guess_language(row.text), lambda name: may_be_meant(name, row.text, decided, None, least)
    )
    answer.feed(end_loops(attached["said"])[0])
    ending = answer.finish("stop")
    label = ending.skills[0] if ending.skills else "REMOTE"
    if label != "REMOTE" and skill(label).tier > CLOUD_MAX_TIER:
        label = "REMOTE"
    return Decision(
        label, alone.skill_probability, ending.say, find_invented(ending.say), by="cloud"
    )


def best_skill_probability(prediction: Prediction) -> float:
    """Return how probable the most probable skill is held, both readers heard where there are two."""
    return max((value for tag, value in held(prediction).items() if tag != REMOTE), default=0.0)


def held(prediction: Prediction) -> Mapping[str, float]:
    """Return how probable each tag is held: by both readers together where there are two."""
    found: Mapping[str, float] = prediction.get("joint") or prediction["posterior"]
    return found


def _seconded(edge: Prediction) -> float | None:
    """Return how sure both readers are of the shadow's likeliest tag, as an edge tells the cloud."""
    posterior: Mapping[str, float] = edge["posterior"]
    if not posterior or "joint" not in edge:
        return None
    sure: Mapping[str, float] = edge["joint"]
    return sure.get(max(posterior, key=posterior.__getitem__), 0.0)


def find_invented(said: str) -> tuple[str, ...]:
    """Return the names that stand in brackets like a tag and are none of the catalogue's."""
    names = [found.group(1) for found in _BRACKETED.finditer(said)]
    return tuple(each for each in names if each not in SKILL_NAMES and each != "REMOTE")


def best_tag(prediction: Prediction, row: Row) -> tuple[float, bool]:
    """Return how probable the best tag is held, and whether it is the row's label."""
    tags = held(prediction)
    best = max(tags, key=tags.__getitem__, default=TAGS[-1])
    return tags.get(best, 0.0), best == print_tag(row.label)
