"""The catalogue of skills as data: what each is called, how risky it is, and what the dog says to it.

The 34 built-in names are the paper's (arXiv 2604.19254); meanings and tiers are this project's and
decide how data is labelled. A skill's robot calls are in `edge_agent/robot/choreography.py`. Skills
taught from folders (`taught_skill.py`) are added behind them once, when a process starts.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, overload

from shared.errors import ConfigurationError


class Tier(IntEnum):
    """How much may go wrong: what the decision's threshold and the gate go by."""

    SAFE = 0
    """Makes the dog safe."""
    IN_PLACE = 1
    """Moves where it stands."""
    NEEDS_SPACE = 2
    """Moves through the room."""
    DANGEROUS = 3
    """Leaves the ground: off on a real dog unless configured on, and confirmed each time."""


class Skill(NamedTuple):
    """One entry of the catalogue; `say_*` are the reviewed spoken lines of the two languages."""

    name: str
    tier: Tier
    english: str
    chinese: str
    say_english: str
    say_chinese: str

    def say(self, language: str) -> str:
        """Return the spoken line for "zh", else the English one."""
        return self.say_chinese if language == "zh" else self.say_english


def _skill(name: str, tier: int, names: str, english: str, chinese: str) -> Skill:
    in_english, in_chinese = names.split("/")
    return Skill(name, Tier(tier), in_english, in_chinese, english, chinese)


BUILT_IN: tuple[Skill, ...] = (
    _skill("Damp", 0, "relax the motors/阻尼", "Going soft, easy now.", "我放松下来了。"),
    _skill("StopMove", 0, "stop moving/停止移动", "Stopping!", "停下了！"),
    _skill("BalanceStand", 1, "balanced stand/平衡站立", "Standing steady.", "稳稳站好。"),
    _skill("StandUp", 1, "stand up/站起来", "Up I go!", "站起来啦！"),
    _skill("StandDown", 1, "lie down/趴下", "Lying down.", "我趴下了。"),
    _skill(
        "RecoveryStand",
        1,
        "recover to standing/恢复站立",
        "Getting back on my feet.",
        "我重新站好。",
    ),
    _skill("Sit", 1, "sit/坐下", "Sitting down.", "我坐下啦。"),
    _skill("RiseSit", 1, "rise from sitting/从坐姿起身", "Rising from my seat.", "起身啦。"),
    _skill("Stretch", 1, "stretch/伸懒腰", "Ah, a good stretch!", "伸个懒腰，真舒服！"),
    _skill("Wallow", 2, "roll on the ground/打滚", "Rolling about!", "打滚咯！"),
    _skill("Scrape", 1, "rub the front paws/作揖", "Paws together for you.", "给您作个揖。"),
    _skill("FrontFlip", 3, "front flip/前空翻", "Front flip, stand clear!", "前空翻，请让开！"),
    _skill("FrontJump", 3, "front jump/向前跳", "Jumping, stand clear!", "向前跳，请让开！"),
    _skill("FrontPounce", 3, "front pounce/向前扑", "Pouncing, stand clear!", "向前扑，请让开！"),
    _skill("WiggleHips", 1, "wiggle hips/扭屁股", "Wiggle, wiggle!", "扭一扭！"),
    _skill("TurnLeft", 2, "turn left/左转", "Turning left.", "向左转。"),
    _skill("TurnRight", 2, "turn right/右转", "Turning right.", "向右转。"),
    _skill("TurnAround", 2, "full spin/转一圈", "Spinning all the way round!", "转一圈！"),
    _skill("SayHello", 1, "say hello/打招呼", "Hello there!", "你好呀！"),
    _skill("Dance", 2, "dance/跳舞", "Let's dance!", "跳起来！"),
    _skill("DrawHeart", 1, "draw a heart/比心", "A heart for you.", "给你比个心。"),
    _skill(
        "BalanceAttitude",
        1,
        "attitude balance/姿态平衡",
        "Watch me tilt and balance.",
        "看我调整姿态。",
    ),
    _skill("PlayKungFu", 2, "kung fu/功夫", "Kung fu time, hi-ya!", "功夫来了，嘿哈！"),
    _skill("HappyBirthday", 2, "happy birthday/生日快乐", "Happy birthday!", "生日快乐！"),
    _skill("HappyNewYear", 1, "happy New Year/新年快乐", "Happy New Year!", "新年快乐，恭喜发财！"),
    _skill("CheerLeading", 2, "cheerleading/啦啦操", "Go, go, go!", "加油，加油！"),
    _skill("ShakeBody", 1, "shake the body/抖身体", "Shaking it off!", "抖一抖！"),
    _skill("LionDance", 2, "lion dance/舞狮", "Here comes the lion!", "舞狮来啦！"),
    _skill("Welcome", 2, "welcome guests/欢迎", "Welcome, come on in!", "欢迎光临！"),
    _skill("WaltzDance", 2, "waltz/华尔兹", "One, two, three, waltz!", "来一段华尔兹！"),
    _skill("ChaChaDance", 2, "cha-cha/恰恰", "Cha-cha-cha!", "恰恰恰！"),
    _skill("Tango", 2, "tango/探戈", "Tango, with feeling!", "来一段探戈！"),
    _skill("HipHopDance", 2, "hip-hop/街舞", "Drop the beat!", "街舞走起！"),
    _skill("Bark", 1, "bark/叫", "Woof, woof!", "汪汪！"),
)
"""The paper's 34, in the order of the tags."""

_catalogue: list[Skill] = list(BUILT_IN)
SKILLS: Sequence[Skill] = _catalogue
"""The catalogue of this process, in the order of the tags: the built-in skills, then taught ones."""


class OfEachSkill(Sequence[str]):
    """A text of every skill of the catalogue, in its order, and then those of `last`.

    It follows the catalogue, so whoever imported it knows taught skills, too.
    """

    def __init__(self, text: Callable[[Skill], str], last: tuple[str, ...] = ()) -> None:
        self._text = text
        self._last = last

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return (*map(self._text, SKILLS), *self._last)[index]

    def __len__(self) -> int:
        return len(SKILLS) + len(self._last)


SKILL_NAMES: Sequence[str] = OfEachSkill(lambda each: each.name)


def skill(name: str) -> Skill:
    """Return the catalogue's entry; KeyError for a name outside it."""
    for each in SKILLS:
        if each.name == name:
            return each
    raise KeyError(name)


def taught_skills() -> Sequence[Skill]:
    """Return what the catalogue holds beyond the built-in skills."""
    return SKILLS[len(BUILT_IN) :]


def add_skill(taught: Skill) -> None:
    """Add a taught skill behind the others; ConfigurationError where one of its names is taken.

    Names that differ in case alone are the same to a person.
    """
    wanted = _names(taught)
    for each in SKILLS:
        if taken := wanted & _names(each):
            raise ConfigurationError(
                f"the taught skill {taught.name} cannot be called {', '.join(sorted(taken))}: "
                f"that is {each.name}; choose another name"
            )
    _catalogue.append(taught)


def _names(skill: Skill) -> set[str]:
    return {each.lower() for each in (skill.name, skill.english, skill.chinese)}


def remove_taught_skills() -> None:
    """Bring the catalogue back to the built-in skills."""
    del _catalogue[len(BUILT_IN) :]
