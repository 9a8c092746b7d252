"""Who is asked how sure a shadow's tag is: the shadow alone, or a second reader beside it.

`cloud-server teach` asks the same before and after: a shadow that has a second reader gets one that
knows the taught skills as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from cloud_server.adapter_files import (
    THRESHOLDS_NAME,
    read_second_reading,
    read_thresholds,
)
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.data import Row
from cloud_server.training.lesson import Lesson, check_agreement, read_unclaimed
from cloud_server.training.pool import Readings, by_tier, save_reading, second_reading
from cloud_server.training.second_reader import Reader, ReaderRecipe, fit, lay_out
from cloud_server.training.thresholds import (
    Choice,
    best_skills,
    choose_thresholds,
    count_risks,
)
from shared.skills import Tier
from shared.taught_skill import TaughtSkill

DISTURBED = 11
"""How often a taught skill's utterance is disturbed for the second reader; a default row once."""


@dataclass(frozen=True)
class Judge:
    """The thresholds by tier and, where a second reader is asked, it and how both are weighed.

    weights: of the shadow and of the second reader. alone: the shadow without it, as `cloud-server evaluate` asks.
    choice: how the thresholds were chosen, None of those that were read.
    """

    thresholds: Mapping[str, float]
    weights: tuple[float, float] | None = None
    reader: Reader | None = None
    alone: "Judge | None" = None
    choice: Choice | None = None

    @classmethod
    def of(cls, adapter: Path, known: Sequence[str]) -> "Judge":
        """Return who is asked at an adapter; its second reader, if any, knows the tags `known`."""
        reading, alone = read_second_reading(adapter), cls(read_thresholds(adapter))
        if reading is None:
            return alone
        weights = (reading.shadow_weight, reading.reader_weight)
        return cls(by_tier(reading), weights, Reader.load(adapter).widened(known), alone)

    def judge(self, rows: Sequence[Row], posteriors: Tensor) -> Tensor:
        """Return [rows, tags]: how sure the best tag is, to be held against the thresholds."""
        if self.reader is None or self.weights is None:
            return posteriors
        return self._read(self.reader, rows, posteriors).judge(*self.weights)

    def count_wrong(self, rows: Sequence[Row], sure: Tensor) -> dict[str, int]:
        """Return how many of the rows are wrongly acted on, by a risk's name; `sure`: see `judge`."""
        best, tiers = best_skills(sure)
        counts = count_risks(best, tiers, rows, self.thresholds)
        return {name: count["acted_on"] for name, count in counts.items()}

    def settled(
        self, rows: Sequence[Row], posteriors: Tensor, allowed: Mapping[str, int]
    ) -> "Judge":
        """Return the same with thresholds chosen on `rows`, by the rule that the shipped ones are chosen by.

        allowed: by a risk's name, how many may be acted on whatever the rule says: as many as a judge in use acts
        on (`count_wrong`). Tier 3's threshold does not become looser than it is: a few taught rows are
        not enough to loosen it. The shadow alone is allowed what the rule says.
        """
        dangerous = str(int(Tier.DANGEROUS))
        least = {dangerous: self.thresholds[dangerous]}
        if self.reader is None or self.weights is None:
            choice = choose_thresholds(posteriors, rows, allowed, least)
        else:
            choice = self._read(self.reader, rows, posteriors).choose(*self.weights, allowed, least)
        alone = self.alone and self.alone.settled(rows, posteriors, {})
        return replace(self, thresholds=choice.thresholds, alone=alone, choice=choice)

    def taught(
        self, recipe: ReaderRecipe, taught: Sequence[TaughtSkill], lesson: Lesson, datasets: Path
    ) -> "Judge":
        """Return who is asked from now on: a second reader, if any, is fitted anew with the lesson.

        DataError where a text of the lesson has another label in what the reader is fitted to.
        """
        if self.reader is None:
            return self
        rows, _ = read_unclaimed(taught, datasets, [*recipe.commands, *recipe.remote])
        check_agreement([*lesson.new, *lesson.held_out], rows)
        augmenter = Augmenter(recipe.augmentation, [*rows, *lesson.new], recipe.seed)
        texts, labels = lay_out(rows, augmenter)
        new_texts, new_labels = lay_out(lesson.new, augmenter, DISTURBED)
        return replace(self, reader=fit(recipe, [*texts, *new_texts], [*labels, *new_labels]))

    def save(self, adapter: Path) -> None:
        """Write the thresholds, and the second reader where there is one, beside an adapter."""
        if self.reader is None or self.weights is None:
            text = json.dumps(dict(self.thresholds), indent=2)
            (adapter / THRESHOLDS_NAME).write_text(text + "\n", encoding="utf-8")
            return
        if self.alone:
            self.alone.save(adapter)
        self.reader.save(adapter)
        save_reading(second_reading(self.weights, self.thresholds), adapter)

    @staticmethod
    def _read(reader: Reader, rows: Sequence[Row], posteriors: Tensor) -> Readings:
        return Readings(list(rows), posteriors, reader.scores([row.text for row in rows]))
