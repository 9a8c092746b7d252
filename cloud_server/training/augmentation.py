"""Seeded disturbances of training texts: how people and recognisers vary one and the same wish.

Commands and requests are disturbed alike, so that no disturbance gives a label away.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from cloud_server.training.data import Row
from cloud_server.training.recipe import Augmentation

if TYPE_CHECKING:
    from opencc import OpenCC

_MARKS = re.compile(
    r"[,.!?;:…，。！？；：、~～\"“”'‘’]+(?=\s|$|[\u4e00-\u9fff])|[，。！？；：、…～]"
)
_WORD = re.compile(r"[A-Za-z]{5,}")
_HAN = re.compile(r"[\u4e00-\u9fff]")

WAKE = {
    "en": ("hey dog", "dog", "Doger", "hey Doger", "okay dog", "buddy", "robot", "good boy", "pup"),
    "zh": ("狗哥", "狗狗", "小狗", "嘿狗哥", "机器狗", "狗子", "旺财", "小家伙", "喂"),
}
FILLERS = {
    "en": ("um", "uh", "okay", "well", "so", "please", "now", "right", "alright", "erm", "oh"),
    "zh": ("嗯", "呃", "那个", "那", "请", "好", "来", "哎", "就是", "麻烦"),
}
ENDINGS = {
    "en": ("please", "now", "okay", "will you", "mate", "thanks", "for me"),
    "zh": ("吧", "啊", "呗", "好吗", "行不行", "谢谢", "哈", "嘛"),
}
_LATIN_KEYS = "qwertyuiopasdfghjklzxcvbnm"


class Augmenter:
    """Draws a disturbed text of a row, by the shares of a recipe and a seed.

    rows: where the Chinese characters come from that homophones are drawn among.
    """

    def __init__(self, shares: Augmentation, rows: Sequence[Row], seed: int) -> None:
        self.shares = shares
        self._rows = rows
        self._random = random.Random(seed)

    def disturb(self, row: Row) -> str:
        """Return the row's text after the disturbances that were drawn; often unchanged."""
        text = row.text
        for share, change in self._changes():
            if self._random.random() < share:
                text = change(text, row.lang)
        return text if text.strip() else row.text

    def _changes(self) -> tuple[tuple[float, Callable[[str, str], str]], ...]:
        shares = self.shares
        return (
            (shares.homophone, self._homophone),
            (shares.typo, self._typo),
            (shares.traditional, self._traditional),
            (shares.filler, self._filler),
            (shares.ending, self._ending),
            (shares.wake, self._wake),
            (shares.recogniser, self._recogniser),
            (shares.capitals, lambda text, _: text.upper()),
            (shares.mark, self._mark),
        )

    def _pick(self, among: Mapping[str, tuple[str, ...]], lang: str) -> str:
        return self._random.choice(among[lang])

    def _wake(self, text: str, lang: str) -> str:
        name = self._pick(WAKE, lang)
        mark = self._random.choice(("，", "", " ") if lang == "zh" else (", ", " ", "! "))
        if self._random.random() < 0.75:
            return f"{name}{mark}{text}"
        return f"{text.rstrip('.!?。！？')}{mark.replace('!', ',')}{name}"

    def _filler(self, text: str, lang: str) -> str:
        filler = self._pick(FILLERS, lang)
        if lang == "zh":
            return f"{filler}{self._random.choice(('，', '', '…'))}{text}"
        return f"{filler}{self._random.choice((', ', ' ', '... '))}{text}"

    def _ending(self, text: str, lang: str) -> str:
        stem = text.rstrip(".!?。！？")
        if stem != text and text[-1] in "?？":
            return text  # a question stays one
        return f"{stem}{'' if lang == 'zh' else ' '}{self._pick(ENDINGS, lang)}"

    def _recogniser(self, text: str, lang: str) -> str:
        """As a recogniser writes: no marks, lower case."""
        return " ".join(_MARKS.sub(" " if lang == "en" else "", text).split()).lower()

    def _mark(self, text: str, lang: str) -> str:
        if text[-1:] in "?？":
            return text
        return text.rstrip(".!。！") + self._random.choice(
            ("!", ".", "!!", "") if lang == "en" else ("！", "。", "！！", "")
        )

    def _typo(self, text: str, lang: str) -> str:
        words = list(_WORD.finditer(text))
        if not words:
            return text
        word = self._random.choice(words)
        at = word.start() + self._random.randrange(1, len(word.group()) - 1)
        kind = self._random.randrange(4)
        if kind == 0:
            return text[:at] + text[at + 1 :]
        if kind == 1:
            return text[:at] + text[at] + text[at:]
        if kind == 2:
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        return text[:at] + self._random.choice(_LATIN_KEYS) + text[at + 1 :]

    def _homophone(self, text: str, lang: str) -> str:
        """One Chinese character becomes another of the same toneless sound."""
        places = [found.start() for found in _HAN.finditer(text)]
        if not places:
            return text
        at = self._random.choice(places)
        others = [each for each in self._alike.get(self._sound(text[at]), ()) if each != text[at]]
        return text[:at] + self._random.choice(others) + text[at + 1 :] if others else text

    def _traditional(self, text: str, lang: str) -> str:
        return str(self._converter.convert(text)) if _HAN.search(text) else text

    @staticmethod
    def _sound(character: str) -> str:
        from pypinyin import lazy_pinyin

        return str(lazy_pinyin(character)[0])

    @cached_property
    def _alike(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, set[str]] = {}
        for character in sorted({each for row in self._rows for each in _HAN.findall(row.text)}):
            found.setdefault(self._sound(character), set()).add(character)
        return {sound: tuple(sorted(alike)) for sound, alike in found.items()}

    @cached_property
    def _converter(self) -> "OpenCC":
        from opencc import OpenCC

        return OpenCC("s2t")
