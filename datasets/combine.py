"""Make train_remote_combined.jsonl: several skills in one sentence, and orders put off or taken back.

    python datasets/combine.py

Draws short commands of `train_normal*.jsonl` by a seed and joins two or three of different skills, or puts
one behind "when ..., " or "don't". Such a sentence is REMOTE, and there are more of them than anyone writes
by hand. A row near one that is held out is not written.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from near_duplicates import essence, near_pairs, sound_bigrams, trigrams
from validate import SIDES, Files, Row, read_files

HERE = Path(__file__).parent
NAME = "train_remote_combined"
SEED = 20261127
ROWS = {"several": 1500, "postponed": 450, "negated": 300}
"""How many rows of a kind are drawn in each language."""

FIRST_WORDS = (
    "do show get shake dance give welcome stand turn go make sit roll jump cheer spin stretch play "
    "bark say wave take face drop perform pounce swing hop rise lie rotate rub wiggle cut draw "
    "swivel put keep speak run execute balance stay wish flip lift lean greet sway scrape pivot "
    "jiggle leap rest flop bow waltz tango bust kneel crouch lower lay relax bounce hip cha "
)
"""What an English command must begin with to be joined as it stands: one of these bare verbs."""

FIRST_CHARACTERS = set(
    "跳打来往把坐站抖趴翻转叫扭扑朝起向比甩汪拜耍做作滚伸拉刨画卧左右舞摇趴躺蹦握招欢迎"
)
"""The same for a Chinese command."""

ALIKE = (
    {"StandUp", "RecoveryStand", "BalanceStand", "RiseSit"},
    {"Damp", "StandDown"},
    {"Dance", "WaltzDance", "ChaChaDance", "Tango", "HipHopDance", "LionDance", "CheerLeading"},
    {"SayHello", "Welcome", "HappyNewYear", "Scrape"},
    {"ShakeBody", "WiggleHips"},
    {"FrontJump", "FrontPounce", "FrontFlip"},
    {"BalanceAttitude", "BalanceStand"},
    {"TurnAround", "WaltzDance"},
)
"""Skills of which one may be a manner of the other: not joined."""

JOINS = {
    "en": (
        *(
            "{a} and {b}",
            "{a} and then {b}",
            "{a}, then {b}",
            "{a} then {b}",
            "{a}, {b}",
            "{a} {b}",
        ),
        *(
            "first {a}, then {b}",
            "{a} and {b} please",
            "{a}, and after that {b}",
            "{a} before you {b}",
        ),
        *("can you {a} and {b}", "{a}, {b} and {c}", "{a}, then {b}, then {c}", "{a}, {b}, {c}"),
        *("{a} and also {b}", "{a} but first {b}", "after you {a}, {b}", "{a} while you {b}"),
        *(
            "I want you to {a} and then {b}",
            "{a} twice and {b}",
            "now {a}, next {b}",
            "{a} plus {b}",
        ),
    ),
    "zh": (
        *("{a}再{b}", "{a}然后{b}", "先{a}再{b}", "{a}，{b}", "{a}{b}", "{a} {b}", "{a}接着{b}"),
        *(
            "{a}完了{b}",
            "{a}，再{b}",
            "先{a}，然后{b}",
            "{a}并且{b}",
            "{a}之后{b}",
            "{a}，{b}，{c}",
        ),
        *(
            "{a}再{b}再{c}",
            "先{a}，再{b}，最后{c}",
            "边{a}边{b}",
            "{a}同时{b}",
            "{a}跟住{b}",
            "{a}还要{b}",
        ),
        *(
            "你{a}，再给我{b}",
            "{a}一下，{b}一下",
            "能不能{a}再{b}",
            "又{a}又{b}",
            "{a}、{b}都来一遍",
        ),
    ),
}
DELAYS = {
    "en": (
        *(
            "when the music starts, {a}",
            "{a} when I clap",
            "{a} when grandma comes in",
            "later {a}",
        ),
        *(
            "{a} later",
            "in ten minutes, {a}",
            "{a} after dinner",
            "tomorrow morning {a}",
            "not now, {a} later",
        ),
        *(
            "wait until I say go, then {a}",
            "if the doorbell rings, {a}",
            "{a} as soon as they get here",
        ),
        *("{a} at eight o'clock", "once the kids are asleep, {a}", "next time we meet, {a}"),
        *(
            "{a} if somebody comes near the door",
            "before we leave tonight, {a}",
            "on Sunday {a} for them",
        ),
        *(
            "the moment I whistle, {a}",
            "when I count to three, {a}",
            "{a} when the light turns green",
        ),
    ),
    "zh": (
        *(
            "等会儿再{a}",
            "待会{a}",
            "一会儿{a}",
            "明天{a}",
            "晚上{a}",
            "我拍手你再{a}",
            "等客人来了再{a}",
        ),
        *(
            "音乐响了你就{a}",
            "要是有人敲门你就{a}",
            "八点{a}",
            "吃完饭再{a}",
            "等我喊开始再{a}",
            "十分钟后{a}",
        ),
        *(
            "我数到三你再{a}",
            "孩子们睡了以后{a}",
            "下次见面{a}",
            "回头{a}",
            "等妈妈进门你{a}",
            "周末{a}",
        ),
        *(
            "要是我吹哨你就{a}",
            "绿灯亮了再{a}",
            "先别急，等下{a}",
            "过一阵子再{a}",
            "等老师讲完你再{a}",
        ),
    ),
}
REFUSALS = {
    "en": (
        *("don't {a}", "do not {a}", "please don't {a}", "no need to {a}", "you don't have to {a}"),
        *(
            "never {a} in here",
            "I didn't ask you to {a}",
            "don't {a} again",
            "I told you not to {a}",
        ),
        *("you must not {a}", "don't you dare {a}", "who told you to {a}", "why did you {a}"),
    ),
    "zh": (
        *(
            "别{a}",
            "不要{a}",
            "先别{a}",
            "不用{a}",
            "你别给我{a}",
            "不许{a}",
            "谁让你{a}了",
            "用不着{a}",
        ),
        *("我没叫你{a}", "千万别{a}", "以后不准{a}", "唔好{a}", "你刚才怎么{a}了", "没让你{a}"),
    ),
}


def bare(text: str, language: str) -> str | None:
    """Return a command as it stands in the middle of a sentence; None where it cannot."""
    text = text.strip().rstrip(".!?~。！？～")
    if re.search(r"[,.!?;:，。！？；：、…]", text):
        return None
    words = text.split()
    if language == "en":
        fits = len(words) <= 5 and words[0].lower() in FIRST_WORDS.split() and text.isascii()
        return words[0].lower() + text[len(words[0]) :] if fits else None
    fits = 1 < len(text) <= 7 and len(words) == 1 and text[0] in FIRST_CHARACTERS
    return text if fits and text[-1] not in "吧呗啊呀嘛啦了喽哈吗呢" else None


def commands(files: Files) -> dict[str, list[tuple[str, str]]]:
    """Return by language the skills and texts that can be joined. Stopping is never joined."""
    found: dict[str, list[tuple[str, str]]] = {"en": [], "zh": []}
    for name in ("train_normal", "train_normal_extra"):
        for row in files[name]:
            text = bare(row["text"], row["lang"])
            if text and row["label"] not in ("StopMove", "Damp") and "history" not in row:
                found[row["lang"]].append((row["label"], text))
    return found


def draw_apart(pool: list[tuple[str, str]], count: int, drawn: random.Random) -> list[str]:
    """Return `count` texts of skills that cannot be taken for one another, each skill as likely."""
    by_skill: dict[str, list[str]] = {}
    for skill, text in pool:
        by_skill.setdefault(skill, []).append(text)
    chosen: list[str] = []
    while len(chosen) < count:
        skill = drawn.choice(sorted(by_skill))
        if not any(skill == each or {skill, each} <= group for each in chosen for group in ALIKE):
            chosen.append(skill)
    return [drawn.choice(by_skill[skill]) for skill in chosen]


def texts(files: Files, drawn: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, language, text) of every row that is drawn, some of them twice."""
    pools = commands(files)
    frames = {"several": JOINS, "postponed": DELAYS, "negated": REFUSALS}
    for kind, count in ROWS.items():
        for language, pool in pools.items():
            for _ in range(count):
                frame = drawn.choice(frames[kind][language])
                parts = draw_apart(pool, 3, drawn)
                text = frame.format(**dict(zip("abc", parts, strict=True)))
                yield kind, language, text if drawn.random() < 0.5 else text[0].upper() + text[1:]


def held_out_near(files: Files, rows: list[Row]) -> set[str]:
    """Return the texts that are near one of a row that is held out."""
    names = [name for side in SIDES if side != "train" for name in SIDES[side]]
    held = [row for name in names for row in files[name]]
    sides = {"held out": held, "combined": rows}
    return {
        row["text"]
        for features in (trigrams, sound_bigrams)
        for _, _, _, row in near_pairs(sides, features)
    }


def main() -> None:
    """Write the file."""
    files = read_files(HERE)
    rows: dict[str, Row] = {}
    for kind, language, text in texts(files, random.Random(SEED)):
        rows.setdefault(
            essence(text),
            {
                "text": text,
                "lang": language,
                "label": "REMOTE",
                "source": "shadowdog/combined",
                "license": "Apache-2.0",
                "synthetic": True,
                "kind": "near_miss",
                "near": kind,
            },
        )
    near = held_out_near(files, list(rows.values()))
    known = {essence(row["text"]) for name in SIDES["train"] if name != NAME for row in files[name]}
    kept = [row for text, row in rows.items() if row["text"] not in near and text not in known]
    with (HERE / f"{NAME}.jsonl").open("w", encoding="utf-8") as stream:
        for number, row in enumerate(kept):
            stream.write(
                json.dumps({"id": f"{NAME}-{number:05d}", **row}, ensure_ascii=False) + "\n"
            )
    print(f"{len(kept)} rows; {len(rows) - len(kept)} dropped as held-out or known ones")


if __name__ == "__main__":
    main()
