"""A skill called by its name and by nothing else: "scrape", "hey dog, play kung fu", 狗哥，比心.

Who says just what the catalogue calls it means it, also where both readers doubt; they have to hold it likelier than
any other skill all the same. Praise ("nice stretch") and talk are no courtesies here.
"""

import re
from collections.abc import Iterable

from edge_agent.recognition import Settled
from edge_agent.reflex import Units, cut_units, read_phrases
from shared.repeat_phrases import MAX_UNITS, splits_off
from shared.skills import Skill
from shared.tags import print_tag

COURTESY = """
hey | hi | hello | ok | okay | yo | dog | doggy | doggie | doger | roger | robot | robot dog | boy | girl | buddy |
good boy | good girl | good dog | shadowdog | shadow dog | please | pls | now | just | can you | could you | would you |
will you | do | do a | do the | do some |
狗 | 狗哥 | 狗狗 | 小狗 | 机器狗 | 机器人 | 嘿 | 喂 | 哎 | 请 | 请你 | 麻烦 | 麻烦你 | 帮我 | 给我 | 快 | 现在 | 来 | 来个 | 来一个 | 来段 | 做 |
做个 | 做一个 | 一下 | 一个 | 吧 | 啊 | 呀 | 啦 | 哦
"""
_COURTESY = read_phrases(COURTESY)
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z0-9])")
_CODE = re.compile(r"[][(){}<>;_=]")
"""What a tag or a program is written with ("Sit()", "[坐下]"): no speech."""


class Names:
    """What the skills are called: in the catalogue's two languages and in the tag."""

    def __init__(self, skills: Iterable[Skill]) -> None:
        self._tags: dict[Units, str] = {
            cut_units(name): print_tag(each.name)
            for each in skills
            for name in (each.english, each.chinese, each.name, _WORD.sub(" ", each.name))
        }

    def tag(self, text: str) -> str | None:
        """Return the tag of the skill whose name is all of `text`, courtesies at both ends aside."""
        units = cut_units(text)
        if _CODE.search(text) or len(units) > MAX_UNITS:
            return None
        found = {self._tags.get(rest) for rest in splits_off(units, _COURTESY, MAX_UNITS)} - {None}
        return found.pop() if len(found) == 1 else None


class Called(Settled):
    """A decision for the skill that was called by its name, where the thresholds deferred it."""
