"""A skill called by its name: what counts as nothing but the name, and when the dog acts on it."""

import json
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.conduct import decide as decide_heard
from edge_agent.mending.by_name import Called, Names
from edge_agent.mending.homophones import Mender
from edge_agent.mending.second_try import HOPELESS, SecondTry
from edge_agent.mending.spelling import Speller
from shared.skills import SKILLS
from shared.tags import REMOTE, parse_tag

DATASETS = Path(__file__).parents[3] / "datasets"
NAMES = Names(SKILLS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("scrape", "Scrape"),
        ("Scrape!", "Scrape"),
        ("hey dog, play kung fu", "PlayKungFu"),
        ("could you PlayKungFu please", "PlayKungFu"),
        ("balance attitude now", "BalanceAttitude"),
        ("狗哥，请作揖吧", "Scrape"),
        ("来个探戈", "Tango"),
        ("nice stretch", None),
        ("thanks, stretch", None),
        ("don't scrape", None),
        ("scrape the pan", None),
        ("scrape or sit", None),
        ("the dog can scrape", None),
        ("别作揖", None),
        ("Scrape()", None),
        ("[坐下]", None),
        ("", None),
        ("hey dog", None),
        ("please " * 40 + "scrape", None),
    ],
)
def test_a_name_and_courtesies_alone_are_a_call(text: str, name: str | None) -> None:
    tag = NAMES.tag(text)
    assert (tag and parse_tag(tag)) == name


def test_no_row_that_is_another_thing_is_a_call() -> None:
    rows = [
        json.loads(line)
        for path in sorted(DATASETS.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    short = [row for row in rows if "label" in row and len(row["text"]) <= 40]
    called = [(row["label"], NAMES.tag(row["text"])) for row in short]
    named = [(label, parse_tag(tag)) for label, tag in called if tag]
    assert len(named) > 400
    assert [pair for pair in named if pair[0] != pair[1]] == []


@lru_cache(maxsize=1)
def menders() -> tuple[Mender, Speller]:
    return Mender(), Speller()


def decide(text: str, *joint: tuple[str, float]) -> str:
    posterior = SimpleNamespace(complete=True, ranked=list(joint))

    class Doubting:
        manifest: Any = None

        def decide(self, text: str) -> Any:
            return SimpleNamespace(tag=REMOTE, confidence=0.5, posterior=posterior, joint=joint)

    return SecondTry(Doubting(), *menders()).decide(text).tag


@pytest.mark.parametrize(
    ("text", "joint", "tag"),
    [
        ("scrape", [("[Scrape()]", 0.6), (REMOTE, 0.4)], "[Scrape()]"),
        ("scrape", [(REMOTE, 0.9), ("[Scrape()]", 0.1)], "[Scrape()]"),
        ("scrape", [(REMOTE, 0.6), ("[Sit()]", 0.3), ("[Scrape()]", 0.1)], REMOTE),
        ("scrape", [(REMOTE, 1.0), ("[Scrape()]", 1 - HOPELESS)], REMOTE),
        ("scrape it off", [("[Scrape()]", 0.6), (REMOTE, 0.4)], REMOTE),
        ("front flip", [("[FrontFlip()]", 0.9), (REMOTE, 0.1)], REMOTE),
        ("relax the motors", [("[Damp()]", 0.9), (REMOTE, 0.1)], REMOTE),
        ("stretch", [(REMOTE, 0.9)], REMOTE),
    ],
)
def test_it_is_done_where_no_other_skill_is_likelier_and_it_is_safe_enough(
    text: str, joint: list[tuple[str, float]], tag: str
) -> None:
    assert decide(text, *joint) == tag


@pytest.mark.parametrize(
    ("written", "tag"), [(None, "[Scrape()]"), ("作揖吧", "[Scrape()]"), ("作椅", REMOTE)]
)
def test_a_name_that_only_mending_made_is_no_call(written: str | None, tag: str) -> None:
    doubted: Any = SimpleNamespace(tag=REMOTE)

    class ByName:
        manifest: Any = None

        def decide(self, text: str) -> Any:
            called = NAMES.tag(text)
            return Called(called, 0.3, doubted) if called else doubted

    assert decide_heard(ByName(), "作揖", written)[1] == tag
