"""Mending by sound: what was misheard comes right, and what was heard well stays as it is."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge_agent.mending.character_model import (
    COUNTS,
    END,
    START,
    CharacterModel,
    count_trigrams,
    read_counts,
    symbols,
    write_counts,
)
from edge_agent.mending.homophones import Mender
from edge_agent.speech.recognizer import Reading

DATASETS = Path(__file__).parents[3] / "datasets"
UNSURE, SURE = -0.6, -0.05


@pytest.fixture(scope="module")
def mender() -> Mender:
    made = Mender()
    made.open()
    return made


def reading(text: str, score: float = UNSURE) -> Reading:
    return Reading(text, "zh", score, score * (len(text) + 1))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("做下。", "坐下。"),
        ("狗哥，做下！", "狗哥，坐下！"),
        ("苟哥做下", "狗哥坐下"),
        ("伸个懒要", "伸个懒腰"),
        ("打个招乎", "打个招呼"),
        ("钮钮屁股", "扭扭屁股"),
        ("毕个心", "比个心"),
        ("战起来", "站起来"),
        ("五个狮子", "舞个狮子"),
        ("先做下，OK？再比个新。", "先坐下，OK？再比个心。"),
        ("住我妈生日快乐", "祝我妈生日快乐"),
        ("握道！有敌人", "卧倒！有敌人"),
    ],
)
def test_misheard_commands_come_right(mender: Mender, written: str, meant: str) -> None:
    assert mender.mend(written, [reading(written)]) == meant


TYPED_WORDS = (
    "叫医生",
    "叫醫生",
    "我摔倒了，快叫医生",
    "请回复",
    "收到请回复",
    "尽快回复",
    "狗哥，请回复我",
    "教一下",
    "教一教",
    "快做",
    "巫师",
    "务实",
    "午时",
    "书展",
    "往往",
    "幻影",
    "左传",
    "凄厉",
)
"""Words that sound like an order and are none."""


@pytest.mark.parametrize("text", TYPED_WORDS)
def test_words_that_somebody_typed_are_not_taken_for_others(mender: Mender, text: str) -> None:
    assert mender.mend(text) == text


def test_a_skills_long_name_comes_out_of_words(mender: Mender) -> None:
    assert mender.mend("回复站立") == "恢复站立"
    assert mender.mend("请回复站立，尽快回复") == "请恢复站立，尽快回复"


@pytest.mark.parametrize("score", [-0.2, SURE])
def test_a_word_that_was_heard_well_stays(mender: Mender, score: float) -> None:
    assert mender.mend("叫医生", [reading("叫医生", score)]) == "叫医生"
    assert mender.mend("叫醫生", [reading("叫醫生", score)]) == "叫醫生"


@pytest.mark.parametrize("text", ["", "。", "sit down", "Sit down, 123!", "A < B > C"])
def test_what_is_not_chinese_stays_as_it_is(mender: Mender, text: str) -> None:
    assert mender.mend(text) == text
    assert mender.mend(text, [reading(text)]) == text


@pytest.mark.parametrize("text", ["ＡＢ，１２！做下", "ｓｉｔ下", "㍿坐下", "龘龘龘", "坐" * 300])
def test_odd_texts_keep_their_length_in_characters(mender: Mender, text: str) -> None:
    assert len(symbols(mender.mend(text, [reading(text)]))) == len(symbols(text))


def test_the_readings_of_a_text_compete(mender: Mender) -> None:
    near = [reading("往前面破一下。", -0.50), reading("往前面扑一下。", -0.55)]
    assert mender.mend(near[0].text, near) == "往前面扑一下。"
    far = [reading("今天天气很好", -0.3), reading("坐下", -1.5)]
    assert mender.mend(far[0].text, far) == "今天天气很好"


def test_the_surer_the_recogniser_the_less_is_mended(mender: Mender) -> None:
    written = "回复一下"
    assert mender.mend(written, [reading(written, SURE)]) == written
    assert mender.mend(written, [reading(written, UNSURE)]) == "恢复一下"


def test_utterances_of_a_taught_skill_count() -> None:
    written = "来个番姜胡卢"
    assert "翻江葫芦" not in Mender().mend(written, [reading(written)])
    assert "翻江葫芦" in Mender(["来个翻江葫芦"] * 3).mend(written, [reading(written)])


def _texts(name: str) -> list[str]:
    lines = (DATASETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["text"] for row in map(json.loads, lines) if row["lang"] == "zh"]


def _changed(mender: Mender, texts: list[str], score: float) -> float:
    """Return the share of characters that mending changes in texts that were heard rightly."""
    pairs = [
        pair
        for text in texts
        for pair in zip(
            symbols(text), symbols(mender.mend(text, [reading(text, score)])), strict=True
        )
    ]
    return sum(before != after for before, after in pairs) / len(pairs)


@pytest.mark.parametrize("name", ["test_normal", "test_remote_extra"])
def test_what_was_heard_rightly_is_mostly_left_alone(mender: Mender, name: str) -> None:
    texts = _texts(name)
    assert _changed(mender, texts, SURE) < 0.02
    assert _changed(mender, texts, UNSURE) < 0.07


def test_the_counts_are_those_of_the_training_rows() -> None:
    texts = {text for path in DATASETS.glob("train_*.jsonl") for text in _texts(path.stem)}
    assert dict(read_counts()) == count_trigrams(texts), "run python datasets/count_writing.py"


def test_counts_survive_their_file(tmp_path: Path) -> None:
    counts = count_trigrams(["坐下", "坐下 please", "坐好", "12个"])
    write_counts(counts, tmp_path / "counts.txt")
    assert dict(read_counts(tmp_path / "counts.txt")) == counts


def test_probabilities_are_those_of_the_formula() -> None:
    model = CharacterModel(count_trigrams(["坐下", "坐好", "趴下"]).items())
    first, second = np.array([model.number(START)]), np.array([model.number("坐")])
    found = np.exp(model.log_probability(first, second, np.array([model.number("下")])))[0, 0]
    alone = (2 + 0.1) / (9 + 0.1 * (len(model.known) + 1 + 4000))
    one = (1 + 2 * alone) / (2 + 2)  # after 坐: 下 and 好, once each
    assert math.isclose(found, (1 + 2 * one) / (2 + 2))
    new = np.array([model.number("龘")])
    assert math.isclose(
        np.exp(model.log_probability(new, new, np.array([model.number("下")])))[0, 0], alone
    )


def test_probabilities_of_all_symbols_sum_to_less_than_one(mender: Mender) -> None:
    model = CharacterModel(read_counts(COUNTS))
    everything = np.arange(len(model.known) + 1)
    for first, second in (("<", "<"), ("坐", "下"), ("龘", "龘"), ("我", "们")):
        given = np.array([model.number(first)]), np.array([model.number(second)])
        assert 0.9 < np.exp(model.log_probability(*given, everything)).sum() <= 1.0 + 1e-9
    assert Counter(model.known)[END] == 1
