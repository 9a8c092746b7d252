"""Check datasets/ as its card states it: schema, licences, sizes, splits kept apart, the card's numbers.

`python datasets/validate.py` prints every problem and exits 1 where there is one; `--write-card` first
puts the counted numbers into README.md.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from near_duplicates import essence, near_pairs, sound_bigrams, trigrams
from row_schema import check_schema

from shared.skills import SKILL_NAMES
from shared.text import guess_language, is_answer_in

Row = dict[str, Any]
Files = dict[str, list[Row]]

LICENSES = {"Apache-2.0", "CC-BY-3.0", "CC-BY-4.0", "MIT", "BSD-3-Clause"}
PAPER_SIZES = {
    "train_normal": (2074, 1326),
    "train_remote_base": (541, 459),
    "train_remote_shadow": (21, 26),
    "test_normal": (170, 136),
    "test_remote": (10, 8),
}
"""English and Chinese rows of the paper's splits (arXiv 2604.19254, table 4): 4,771 rows in all."""

NORMAL_A_SKILL = {"en": 61, "zh": 39}
"""What the paper's train_normal holds of each of the 34 skills."""

LEAST_WRITTEN = 45
"""Written utterances that training has at least of a skill in each language, before augmentation."""

LEAST_REMOTE_EXTRA = 2000
SIDES = {
    "validation": ("validation",),
    "calibration": (
        "calibration",
        "calibration_late",
        "calibration_dangerous",
        "calibration_talkative",
        "calibration_plain",
    ),
    "test": ("test_normal", "test_remote", "test_remote_extra"),
    "test_extra": ("test_extra",),
    "test_stranger": ("test_stranger",),
    "test_dangerous": ("test_dangerous",),
    "test_newcomer": ("test_newcomer",),
    "test_talkative": ("test_talkative",),
    "test_plain": ("test_plain",),
    "test_pairs": ("test_pairs",),
    "test_turns": ("test_turns",),
    "train": (
        "train_normal",
        "train_normal_extra",
        "train_remote_base",
        "train_remote_answers",
        "train_remote_shadow",
        "train_remote_extra",
        "train_remote_combined",
        "train_normal_late",
        "train_remote_late",
        "talk_normal",
        "talk_remote",
        "plain_normal",
        "plain_remote",
        "pairs_normal",
        "pairs_remote",
    ),
}
"""What is kept apart: no row of a side is near one of another."""

APART = ("spoken_lines",)
"""What the dog says; no side."""

KINDS = ("request", "near_miss", "motion")


def read_files(folder: Path) -> Files:
    """Return the rows of every JSON Lines file by its stem; ValueError names a line that is none."""
    files: Files = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows = []
        lines = path.read_text(encoding="utf-8").split("\n")
        if not lines[-1]:  # a last line may lack its newline: training reads it all the same
            lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"{path.name}:{number} is no JSON ({error})") from None
        files[path.stem] = rows
    return files


# --- rows ----------------------------------------------------------------------------------------


def check_row(row: Row, name: str, number: int) -> Iterator[str]:
    """Yield what is wrong with a row that keeps the schema."""
    remote = row["label"] == "REMOTE"
    answer, history = row.get("answer"), row.get("history", [])
    roles = [turn["role"] for turn in history]
    texts = [row["text"], *([answer] if answer else []), *(turn["text"] for turn in history)]
    rules = {
        f"its id is not {name}-{number:05d}": row["id"] == f"{name}-{number:05d}",
        f"{row['label']!r} is no skill and not REMOTE": remote or row["label"] in SKILL_NAMES,
        f"the licence {row['license']!r} is not one that the card names": row["license"]
        in LICENSES,
        "synthetic and source do not agree": row["synthetic"]
        == row["source"].startswith("shadowdog/"),
        "a written row is Apache-2.0": not row["synthetic"] or row["license"] == "Apache-2.0",
        "a text has spaces around it": all(each == each.strip() for each in texts),
        "it is said to be English, and is Chinese": row["lang"] == "zh"
        or guess_language(row["text"]) != "zh",
        "a command has no kind, near or answer": remote
        or not {"kind", "near", "answer"} & set(row),
        "a REMOTE row has a kind or an answer": not remote or "kind" in row or "answer" in row,
        "an answer holds a bracket": not answer or not set(answer) & set("[]"),
        "its answer is in another language": not answer or is_answer_in(row["lang"], answer),
        "a history alternates, from user to dog": roles == ["user", "dog"] * (len(roles) // 2),
        "a history is empty": history != [] or "history" not in row,
        "only training rows have a history or an answer": name in SIDES["train"]
        or not {"history", "answer"} & set(row),
    }
    for rule, kept in rules.items():
        if not kept:
            yield f"{row['id']}: {rule}"


def check_rows(folder: Path, files: Files) -> Iterator[str]:
    """Yield what is wrong with single rows of all files."""
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    for name, rows in files.items():
        for number, row in enumerate(rows):
            broken = list(check_schema(schema, row, f"{name}.jsonl:{number + 1}"))
            yield from broken or check_row(row, name, number)


# --- sizes ---------------------------------------------------------------------------------------


def by_language(rows: Iterable[Row]) -> tuple[int, int]:
    """Return how many rows are English and how many Chinese."""
    counted = Counter(row["lang"] for row in rows)
    return counted["en"], counted["zh"]


def fewest_written(files: Files) -> tuple[int, str, str]:
    """Return the least number of written commands of a skill in a language, and whose it is."""
    rows = [row for name in SIDES["train"] for row in files[name] if row["synthetic"]]
    counted = Counter((row["label"], row["lang"]) for row in rows)
    return min(
        (counted[skill, language], skill, language)
        for skill in SKILL_NAMES
        for language in NORMAL_A_SKILL
    )


def check_sizes(files: Files) -> Iterator[str]:
    """Yield where the files are not those of the card, or not of the paper's sizes."""
    expected = {*APART, *(name for names in SIDES.values() for name in names)}
    for name in sorted(expected ^ set(files)):
        yield f"{name}.jsonl is {'missing' if name in expected else 'of no side of the split'}"
    if expected - set(files):
        return
    for name, sizes in PAPER_SIZES.items():
        if by_language(files[name]) != sizes:
            yield f"{name}: {by_language(files[name])} rows (en, zh); the paper's are {sizes}"
    normal = Counter((row["label"], row["lang"]) for row in files["train_normal"])
    for skill in SKILL_NAMES:
        for language, count in NORMAL_A_SKILL.items():
            if normal[skill, language] != count:
                yield f"train_normal: {normal[skill, language]} {language} rows of {skill}, not {count}"
    count, skill, language = fewest_written(files)
    if count < LEAST_WRITTEN:
        yield f"{skill} has {count} written {language} utterances; {LEAST_WRITTEN} are needed"
    if len(files["train_remote_extra"]) < LEAST_REMOTE_EXTRA:
        yield f"train_remote_extra has fewer than {LEAST_REMOTE_EXTRA} rows"
    for name in ("train_remote_base", "train_remote_answers"):
        for row in files[name]:
            if "answer" not in row:
                yield f"{row['id']}: no answer is written"


# --- what is said twice --------------------------------------------------------------------------


def check_apart(files: Files) -> Iterator[str]:
    """Yield texts that stand twice on a side, and rows near one of another side."""
    sides = {side: [row for name in names for row in files[name]] for side, names in SIDES.items()}
    for name, rows in [*sides.items(), *((each, files[each]) for each in APART)]:
        seen: dict[str, str] = {}
        for row in rows:
            key = essence(row["text"]) + json.dumps(row.get("history", ""), ensure_ascii=False)
            if key in seen and name not in APART:
                yield f"{row['id']} says the same as {seen[key]}"
            seen[key] = row["id"]
    ids = Counter(row["id"] for rows in files.values() for row in rows)
    yield from (f"the id {each} stands twice" for each, count in ids.items() if count > 1)
    for way, make in (("letters", trigrams), ("sound", sound_bigrams)):
        for one, first, two, second in near_pairs(sides, make):
            yield (
                f"{one} and {two} are near by {way}: {first['id']} {first['text']!r} and "
                f"{second['id']} {second['text']!r}"
            )


# --- the card ------------------------------------------------------------------------------------


def card_numbers(files: Files) -> dict[str, str]:
    """Return, by the pattern that finds it, each piece of the card that holds counted numbers."""
    pieces = {}
    for name, rows in files.items():
        kinds = Counter(row.get("kind") for row in rows)
        commands = sum(row["label"] != "REMOTE" for row in rows)
        english, chinese = by_language(rows)
        counted = (commands, *(kinds[kind] for kind in KINDS), sum("history" in r for r in rows))
        cells = " | ".join(f"{count:,}" for count in counted)
        line = f"| `{name}.jsonl` | {len(rows):,} | {english:,} / {chinese:,} | {cells} |"
        pieces[rf"^\| `{name}\.jsonl` \|(?:[^|\n]*\|){{7}}"] = line
    fewest = fewest_written(files)[0]
    pieces[r"at least [\d,]+ written utterances"] = f"at least {fewest:,} written utterances"
    total = sum(len(rows) for rows in files.values())
    pieces[r"[\d,]+ rows in all"] = f"{total:,} rows in all"
    return pieces


def write_card(card: Path, files: Files) -> None:
    """Put the counted numbers where the card states some."""
    text = card.read_text(encoding="utf-8")
    for pattern, piece in card_numbers(files).items():
        text = re.sub(pattern, piece, text, flags=re.MULTILINE)
    card.write_text(text, encoding="utf-8")


def check_card(card: Path, files: Files) -> Iterator[str]:
    """Yield what the card lacks or states wrongly."""
    text = card.read_text(encoding="utf-8")
    for pattern, piece in card_numbers(files).items():
        stated = re.findall(pattern, text, flags=re.MULTILINE)
        if stated != [piece]:
            yield f"README.md states {stated or 'nothing'}, counted is {piece!r}; see --write-card"
    for source in sorted({row["source"] for rows in files.values() for row in rows}):
        if not source.startswith("shadowdog/") and f"| {source} |" not in text:
            yield f"README.md gives no licence and attribution of {source}"


def find_problems(folder: Path) -> list[str]:
    """Return everything that is wrong with the datasets of a folder; nothing where all is well."""
    try:
        files = read_files(folder)
        problems = [*check_rows(folder, files), *check_sizes(files)]
    except ValueError as error:
        return [str(error)]
    if problems:  # what follows stands on sound rows
        return problems
    return [*check_apart(files), *check_card(folder / "README.md", files)]


def main() -> None:
    """Check, say what is wrong, and exit 1 for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--write-card", action="store_true", help="put the numbers into README.md")
    given = parser.parse_args()
    if given.write_card:
        write_card(given.folder / "README.md", read_files(given.folder))
    problems = find_problems(given.folder)
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{given.folder}: {len(problems)} problems")


if __name__ == "__main__":
    main()
