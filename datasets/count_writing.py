"""Counts how people write to the dog, in the training rows: what mends Chinese by sound and English by spelling.

    python datasets/count_writing.py     # writes edge_agent/mending/characters.txt and words.txt

A row that comes in several files counts once.
"""

import sys
from collections import Counter
from pathlib import Path

DATASETS = Path(__file__).parent
sys.path.insert(0, str(DATASETS.parent))

from edge_agent.mending.character_model import (  # noqa: E402
    COUNTS,
    count_trigrams,
    write_counts,
)
from edge_agent.mending.spelling import WORDS, count_words  # noqa: E402
from shared.report import read_rows  # noqa: E402


def texts(lang: str) -> set[str]:
    """Return every text of the training files in one language."""
    rows = (row for path in DATASETS.glob("train_*.jsonl") for row in read_rows(path))
    return {row.text for row in rows if row.lang == lang}


def write_words(counts: Counter[str], path: Path) -> None:
    """Write a line for each word that comes twice: it, and how often. Of the others many are slips themselves."""
    lines = (f"{word} {count}\n" for word, count in sorted(counts.items()) if count > 1)
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write_counts(count_trigrams(texts("zh")), COUNTS)
    write_words(count_words(texts("en")), WORDS)
    for path in (COUNTS, WORDS):
        print(f"{path}: {path.stat().st_size:,} bytes")
