"""The catalogue is the paper's, whole, and speaks both languages."""

from shared.skills import SKILL_NAMES, SKILLS, Tier, skill
from shared.text import guess_language

PAPER = [
    "Damp",
    "StopMove",
    "BalanceStand",
    "StandUp",
    "StandDown",
    "RecoveryStand",
    "Sit",
    "RiseSit",
    "Stretch",
    "Wallow",
    "Scrape",
    "FrontFlip",
    "FrontJump",
    "FrontPounce",
    "WiggleHips",
    "TurnLeft",
    "TurnRight",
    "TurnAround",
    "SayHello",
    "Dance",
    "DrawHeart",
    "BalanceAttitude",
    "PlayKungFu",
    "HappyBirthday",
    "HappyNewYear",
    "CheerLeading",
    "ShakeBody",
    "LionDance",
    "Welcome",
    "WaltzDance",
    "ChaChaDance",
    "Tango",
    "HipHopDance",
    "Bark",
]


def test_the_catalogue_is_the_papers() -> None:
    assert list(SKILL_NAMES) == PAPER
    assert len(set(SKILL_NAMES)) == 34


def test_tiers() -> None:
    of_tier = {tier: {each.name for each in SKILLS if each.tier == tier} for tier in Tier}
    assert of_tier[Tier.SAFE] == {"Damp", "StopMove"}
    assert of_tier[Tier.DANGEROUS] == {"FrontFlip", "FrontJump", "FrontPounce"}


def test_names_and_lines_are_in_their_language() -> None:
    for each in SKILLS:
        assert guess_language(each.chinese) == guess_language(each.say_chinese) == "zh", each.name
        assert guess_language(each.english) == guess_language(each.say_english) == "en", each.name
        assert "[" not in each.say_english + each.say_chinese
    assert skill("Sit").say("zh") == skill("Sit").say_chinese
    assert skill("Sit").say("other") == skill("Sit").say_english
