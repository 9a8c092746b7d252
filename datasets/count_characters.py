"""Counts which characters follow which in the Chinese training rows: what mends speech by sound.

    python datasets/count_characters.py     # writes edge_agent/speech/characters.txt

A row that comes in several files counts once.
"""

import sys
from collections import Counter
from pathlib import Path

DATASETS = Path(__file__).parent
sys.path.insert(0, str(DATASETS.parent))

from edge_agent.speech.character_model import (  # noqa: E402
    COUNTS,
    count_trigrams,
    write_counts,
)
from shared.report import read_rows  # noqa: E402


def count() -> Counter[str]:
    """Return the counts of every Chinese text of the training files."""
    rows = (row for path in DATASETS.glob("train_*.jsonl") for row in read_rows(path))
    return count_trigrams({row.text for row in rows if row.lang == "zh"})


if __name__ == "__main__":
    counts = count()
    write_counts(counts, COUNTS)
    print(f"{COUNTS}: {len(counts):,} runs of three, {COUNTS.stat().st_size:,} bytes")
