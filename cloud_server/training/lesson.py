"""What a taught skill is learnt from: its utterances, split, beside rows of the default data."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_server.training.data import Row, read_files, read_rows
from cloud_server.training.recipe import DataSection
from shared.errors import DataError
from shared.taught_skill import UTTERANCES_FILE, TaughtSkill

LEAST_UTTERANCES = 20
"""Of a taught skill, in each language."""
LEAST_NEAR_MISSES = 20


@dataclass(frozen=True)
class Lesson:
    """Rows by what they are for.

    new: what the taught skills are learnt from, near-misses with them. held_out: of the same
    files, never learnt. replayed: default rows that are learnt again. set_aside: default requests
    that the taught skills claim; they are in none of the others.
    """

    new: list[Row]
    held_out: list[Row]
    replayed: list[Row]
    validation: list[Row]
    calibration: list[Row]
    set_aside: list[Row]


def prepare_lesson(
    taught: Sequence[TaughtSkill],
    folders: Sequence[Path],
    data: DataSection,
    datasets: Path,
    held_out_share: float,
    seed: int,
    reader_files: Sequence[str] = (),
) -> Lesson:
    """Return the lesson; DataError says which rows are too few or contradict the default data.

    reader_files: what a second reader is fitted to with the lesson, default data as well.
    """
    rows = [
        row
        for skill, folder in zip(taught, folders, strict=True)
        for row in read_utterances(skill, folder)
    ]
    set_aside: list[Row] = []

    def unclaimed(names: Sequence[str]) -> list[Row]:
        kept, claimed = read_unclaimed(taught, datasets, names)
        set_aside.extend(claimed)
        return kept

    commands, remote = unclaimed(data.commands), unclaimed([*data.answers, *data.remote])
    learnt = {*data.commands, *data.answers, *data.remote}
    others = [name for name in reader_files if name not in learnt]
    check_agreement(rows, [*commands, *remote, *read_unclaimed(taught, datasets, others)[0]])
    generator = random.Random(seed)
    new, held_out = split(rows, held_out_share, generator)
    return Lesson(
        new,
        held_out,
        [
            *_sample(commands, data.command_rows, generator),
            *_sample(remote, data.remote_rows, generator),
        ],
        unclaimed(data.validation),
        unclaimed(data.calibration),
        set_aside,
    )


def read_unclaimed(
    taught: Sequence[TaughtSkill], datasets: Path, names: Sequence[str]
) -> tuple[list[Row], list[Row]]:
    """Return the files' single-turn rows, those apart that are requests with a taught skill's words."""
    kept: list[Row] = []
    claimed: list[Row] = []
    for row in (each for each in read_files(datasets, names) if not each.history):
        claims = row.label == "REMOTE" and any(each.claims_text(row.text) for each in taught)
        (claimed if claims else kept).append(row)
    return kept, claimed


def read_utterances(skill: TaughtSkill, folder: Path) -> list[Row]:
    """Return the rows of a taught skill's folder; DataError where they are too few or are not its own."""
    path = folder / UTTERANCES_FILE
    rows = read_rows(path)
    for row in rows:
        if row.label not in (skill.name, "REMOTE"):
            raise DataError(
                f"{path}: {row.text!r} has the label {row.label}; write {skill.name} or REMOTE"
            )
    twice = [text for text, count in Counter(row.text.lower() for row in rows).items() if count > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} stands there more than once")
    for lang in ("en", "zh"):
        count = sum(row.label == skill.name and row.lang == lang for row in rows)
        if count < LEAST_UTTERANCES:
            raise DataError(
                f"{path} holds {count} utterances of {skill.name} in {lang}; write at least "
                f"{LEAST_UTTERANCES}"
            )
    near = sum(row.label == "REMOTE" for row in rows)
    if near < LEAST_NEAR_MISSES:
        raise DataError(
            f"{path} holds {near} near-misses (label REMOTE); write at least {LEAST_NEAR_MISSES}: "
            "questions about the word, negations, what others do"
        )
    return rows


def check_agreement(rows: Sequence[Row], known: Sequence[Row]) -> None:
    """Raise DataError where a text stands in the default data with another label."""
    labels = {row.text.lower(): row.label for row in known}
    for row in rows:
        label = labels.get(row.text.lower(), row.label)
        if label != row.label:
            raise DataError(
                f"{row.text!r} is {row.label} here and {label} in the default data; a request "
                "there is set aside where the skill's `claims` hold one of its words"
            )


def split(
    rows: Sequence[Row], share: float, generator: random.Random
) -> tuple[list[Row], list[Row]]:
    """Return (learnt, held out): of every label and language the share is held out, at least one."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.label, row.lang].append(row)
    learnt, held_out = [], []
    for _, group in sorted(groups.items()):
        shuffled = generator.sample(group, len(group))
        count = max(1, round(share * len(group)))
        held_out.extend(shuffled[:count])
        learnt.extend(shuffled[count:])
    return learnt, held_out


def _sample(rows: list[Row], most: int | None, generator: random.Random) -> list[Row]:
    if most is None or len(rows) <= most:
        return rows
    return generator.sample(rows, most)
