"""Lists the Chinese words that no homophone may replace: what keeps 医生 from being read as 一声.

    pip download --no-deps jieba==0.42.1 && tar xzf jieba-0.42.1.tar.gz
    python datasets/list_chinese_words.py jieba-0.42.1/jieba/dict.txt    # writes edge_agent/mending/chinese_words.txt

Words of two characters and verbs of one, in both scripts (OpenCC, `shadowdog[training]`). The dictionary is jieba's: MIT.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from opencc import OpenCC

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge_agent.mending.chinese_words import WORDS, write_words

LEAST_COUNT = 20
"""How often jieba's texts hold a word; rarer ones are names and slips to a good part."""
LEAST_VERB_COUNT = 200
MISHEARD = {"做好"}
"""Words that are written for another one oftener than said to a dog: 坐好."""
MORE = {"书展"}
SCRIPTS = ("s2t", "s2tw", "s2hk")

_LINE = re.compile(r"([\u4e00-\u9fff]{1,2}) (\d+) (\w+)")


def read_dictionary(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield each word of one or two characters, how often it comes and what part of speech it is."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := _LINE.fullmatch(line.strip()):
            yield found[1], int(found[2]), found[3]


def main(path: Path) -> None:
    """Write the words."""
    words, verbs = set(MORE), set()
    for word, count, part in read_dictionary(path):
        if len(word) == 2 and count >= LEAST_COUNT:
            words.add(word)
        elif len(word) == 1 and count >= LEAST_VERB_COUNT and part.startswith("v"):
            verbs.add(word)
    converters = [OpenCC(script).convert for script in SCRIPTS]
    both = [
        {*given, *(convert(word) for convert in converters for word in given)}
        for given in (words - MISHEARD, verbs)
    ]
    write_words(*both, WORDS)
    print(f"{WORDS}: {len(both[0])} words, {len(both[1])} verbs, {WORDS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
