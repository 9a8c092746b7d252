"""Make train_remote_combined.jsonl: several skills in one sentence, and orders put off or taken back.

    python datasets/combine.py

Draws short commands of `train_normal*.jsonl` by a seed and joins two or three of different skills, or puts
one behind "when ..., " or "don't", or beside a motion that is no skill or another job ("come here and sit");
and steps to a side, which are no turns. Such a sentence is REMOTE, and there are more of them than anyone
writes by hand. A row near one that is held out is not written.
"""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from near_duplicates import essence, near_pairs, sound_bigrams, trigrams
from validate import SIDES, Files, Row, read_files

from shared.toml_file import read_toml

HERE = Path(__file__).parent
NAME = "train_remote_combined"
PARTS = read_toml(HERE / "combinations.toml", "parts")
"""Frames and what stands in them, by kind and language, a line each."""

SEED = 20261127
ROWS = {"several": 1500, "postponed": 450, "negated": 300}
"""How many rows of a kind are drawn in each language."""

LATE_ROWS = {"detour": 1500, "occasion": 900, "sidestep": 260}
"""The same of what was added last; the rows before stay as they were."""

FRAMES = {
    "several": "joins",
    "postponed": "delays",
    "negated": "refusals",
    "detour": "detours",
    "occasion": "occasions",
}
"""The parts that hold a kind's frames."""

MOTION_FILES = ("train_remote_extra", "train_remote_late", "plain_remote")

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


def commands(files: Files, *names: str) -> dict[str, list[tuple[str, str]]]:
    """Return by language the skills and texts of some files that can be joined. Stopping is never joined."""
    found: dict[str, list[tuple[str, str]]] = {"en": [], "zh": []}
    for row in (row for name in names for row in files[name]):
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


@cache
def lines(kind: str, language: str) -> list[str]:
    """Return the lines of a kind of parts."""
    return PARTS[kind][language].split("\n")[:-1]


def texts(files: Files, drawn: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, language, text) of every row that is drawn, some of them twice."""
    pools = commands(files, "train_normal", "train_normal_extra")
    for kind, count in ROWS.items():
        for language, pool in pools.items():
            for _ in range(count):
                frame = drawn.choice(lines(FRAMES[kind], language))
                parts = draw_apart(pool, 3, drawn)
                text = frame.format(**dict(zip("abc", parts, strict=True)))
                yield kind, language, text if drawn.random() < 0.5 else text[0].upper() + text[1:]


def motions(files: Files, language: str) -> list[str]:
    """Return the written motions that are no skill and can be joined."""
    found = []
    for row in (row for name in MOTION_FILES for row in files[name]):
        text = row["text"].strip().rstrip(".!?~。！？～")
        stopped = re.search(r"[,.!?;:，。！？；：、…]", text)
        if row.get("kind") != "motion" or row["lang"] != language or stopped:
            continue
        words, begins = text.split(), PARTS["motion_begins"][language]
        if language == "en":
            fits = len(words) <= 6 and words[0].lower() in begins.split() and text.isascii()
        else:
            fits = 1 < len(text) <= 8 and len(words) == 1 and text[0] in begins
        if fits:
            found.append(text[0].lower() + text[1:])
    return found


def late_texts(files: Files, drawn: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, language, text) as `texts` does: commands with other jobs, occasions, sidesteps."""
    pools = commands(files, "train_normal", "train_normal_extra", "plain_normal")
    for kind, count in LATE_ROWS.items():
        for language, pool in pools.items():
            beside = [*lines("jobs", language), *motions(files, language)]
            for _ in range(count):
                if kind == "sidestep":
                    text = sidestep(language, drawn)
                else:
                    text = drawn.choice(lines(FRAMES[kind], language)).format(
                        a=draw_apart(pool, 1, drawn)[0],
                        m=drawn.choice(beside),
                        e=drawn.choice(lines("events", language)),
                        t=drawn.choice(lines("times", language)),
                    )
                yield kind, language, text if drawn.random() < 0.5 else text[0].upper() + text[1:]


def sidestep(language: str, drawn: random.Random) -> str:
    """Return a step to a side, which is no turn: its parts in the table's order."""
    *words, amount = (
        drawn.choice(each if isinstance(each, list) else each.split("\n")[:-1])
        for each in PARTS["sidesteps"][language].values()
    )
    return (" " if language == "en" else "").join(words) + amount


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
    drawn = random.Random(SEED)
    for kind, language, text in (*texts(files, drawn), *late_texts(files, drawn)):
        rows.setdefault(
            essence(text),
            {
                "text": text,
                "lang": language,
                "label": "REMOTE",
                "source": "shadowdog/combined",
                "license": "Apache-2.0",
                "synthetic": True,
                **(
                    {"kind": "motion"}
                    if kind == "sidestep"
                    else {"kind": "near_miss", "near": kind}
                ),
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
