"""Mending by sound: known misspellings come right, and nothing that was meant otherwise is touched."""

import json
from pathlib import Path

import pytest

from edge_agent.speech import homophones
from edge_agent.speech.homophones import COMMANDS, mend
from shared.skills import Tier, skill

DATASETS = Path(__file__).parents[3] / "datasets"


@pytest.fixture(autouse=True)
def warm() -> None:
    homophones.warm_up()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("做下", "坐下"),
        ("狗哥，做下。", "狗哥，坐下"),
        ("苟哥做下", "狗哥，坐下"),
        ("请扒下", "请，趴下"),
        ("身懒腰", "伸懒腰"),
        ("伸个懒要", "伸个懒腰"),
        ("大招呼", "打招呼"),
        ("钮屁股", "扭屁股"),
        ("毕心", "比心"),
        ("战起来", "站起来"),
        ("做揖吧", "作揖吧"),
        ("姿太平衡", "姿态平衡"),
    ],
)
def test_misspelt_commands_are_mended(written: str, meant: str) -> None:
    assert mend(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "坐下",
        "回复",
        "回复一下邮件",
        "百年",
        "今天做下作业吧",
        "请你做下笔记",
        "sit down",
        "hey 做下",
        "",
        "。",
        "前空犯",  # tier 3 is never mended into
        "像前跳",
        "转一全",
        "组尼",  # nor is Damp
        "坐" * 200,
    ],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert mend(text) == text


def test_only_skills_that_stay_in_place_are_mended_into() -> None:
    assert {skill(name).tier for name in COMMANDS} == {Tier.IN_PLACE}


@pytest.mark.parametrize("name", ["train_remote_base", "train_remote_extra", "test_remote_extra"])
def test_no_request_of_the_data_becomes_a_command(name: str) -> None:
    lines = (DATASETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert [text for text in texts if mend(text) != text] == []


@pytest.mark.parametrize("name", ["train_normal", "test_normal", "validation"])
def test_commands_of_the_data_keep_their_meaning(name: str) -> None:
    lines = (DATASETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, lines):
        mended = mend(row["text"])
        if mended != row["text"]:
            assert any(
                phrase.strip() in mended
                for phrase in COMMANDS.get(row["label"], "").split("|")
                if phrase.strip()
            ), (row, mended)
