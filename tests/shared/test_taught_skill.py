"""A taught skill's folder is read whole or refused by the name of what is wrong in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, DataError
from shared.report import read_rows
from shared.skills import BUILT_IN, SKILL_NAMES, SKILLS, Tier, remove_taught_skills, skill
from shared.tags import REMOTE, TAGS, parse_tag, print_tag, split_answer
from shared.taught_skill import learn_skills, read_taught_skill, split_folders

EXAMPLE = Path("examples/push-ups")


@pytest.fixture(autouse=True)
def built_in_catalogue() -> Iterator[None]:
    remove_taught_skills()
    yield
    remove_taught_skills()


def changed(folder: Path, old: str, new: str) -> Path:
    text = (EXAMPLE / "skill.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "skill.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_a_learnt_skill_is_in_the_catalogue_until_it_is_removed() -> None:
    with pytest.raises(KeyError):
        skill("PushUps")
    learn_skills([EXAMPLE])
    assert [*SKILL_NAMES] == [*(each.name for each in BUILT_IN), "PushUps"]
    assert skill("PushUps").tier is Tier.IN_PLACE
    assert [*TAGS[-2:]] == ["[PushUps()]", REMOTE]
    assert len(TAGS) == 36
    assert parse_tag("[PushUps()]") == "PushUps"
    assert print_tag("PushUps") == "[PushUps()]"
    assert split_answer("[PushUps()] Down!") == ("PushUps", "Down!")
    remove_taught_skills()
    assert tuple(SKILLS) == BUILT_IN
    assert parse_tag("[PushUps()]") is None


def test_a_report_knows_the_label_of_a_taught_skill_alone(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text('{"text": "push-ups", "label": "PushUps"}\n')
    with pytest.raises(DataError, match="PushUps"):
        read_rows(data)
    learn_skills([EXAMPLE])
    assert read_rows(data)[0].label == "PushUps"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tier = 1", "", "tier: Field required"),
        ("tier = 1", "tier = 0", "tier: Input should be 1, 2 or 3"),
        ('"PushUps"', '"push ups"', "name: String should match"),
        ('"PushUps"', '"REMOTE"', "REMOTE is what is no skill"),
        ('chinese = "俯卧撑"', 'chinese = "push-ups"', "chinese: is not Chinese"),
        ('"Down and up, one, two, three!"', '"俯卧撑！"', "say_english: is not English"),
        ('"Down and up, one, two, three!"', '"[FrontFlip()] hop!"', "say_english"),
        ("duration_s", "duration", "movement.duration_s: Field required"),
        ('{ call = "StandDown" }', "{ shell = 'rm' }", "movement.steps.0.shell: Extra inputs"),
        ('{ call = "StandDown" }', '{ call = "Sit", wait = 1.0 }', "a step is exactly one of"),
        ('{ call = "StandDown" }', "{ wait = nan }", "movement.steps.0.wait"),
        ("tier = 1", "tier = 1 1", "is wrong"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_taught_skill(changed(tmp_path, old, new))
    assert says in refused.value.message
    assert str(tmp_path) in refused.value.message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"PushUps"', '"Sit"', "cannot be called sit"),
        ('"PushUps"', '"SIT"', "cannot be called sit"),
        ('english = "push-ups"', 'english = "Front flip"', "that is FrontFlip"),
        ('chinese = "俯卧撑"', 'chinese = "坐下"', "that is Sit"),
    ],
)
def test_a_name_that_is_taken_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        learn_skills([changed(tmp_path, old, new)])


def test_the_same_folder_twice_is_a_clash() -> None:
    with pytest.raises(ConfigurationError, match="that is PushUps"):
        learn_skills([EXAMPLE, EXAMPLE])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"skill\.toml cannot be read"):
        read_taught_skill(tmp_path)


def test_folders_are_split_as_in_a_path() -> None:
    given = os.pathsep.join(("/one", " two ", "", "~/three"))
    assert split_folders(given) == (Path("/one"), Path("two"), Path.home() / "three")


def test_claims_are_words_anywhere_in_a_text() -> None:
    taught = read_taught_skill(EXAMPLE)
    assert taught.claims_text("How many Push-Ups a day?")
    assert taught.claims_text("做十个俯卧撑")
    assert not taught.claims_text("push the button")
