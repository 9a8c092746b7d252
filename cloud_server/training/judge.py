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
from cloud_server.training.lesson import Lesson, read_unclaimed
from cloud_server.training.pool import Readings, save_reading
from cloud_server.training.second_reader import Reader, ReaderRecipe, fit, lay_out
from shared.bundle import SecondReading
from shared.taught_skill import TaughtSkill

DISTURBED = 11
"""How often a taught skill's utterance is disturbed for the second reader; a default row once."""


@dataclass(frozen=True)
class Judge:
    """The thresholds by tier and, where a second reader is asked, it and how it is weighed."""

    thresholds: Mapping[str, float]
    reading: SecondReading | None = None
    reader: Reader | None = None

    @classmethod
    def of(cls, adapter: Path, known: Sequence[str]) -> "Judge":
        """Return who is asked at an adapter; its second reader, if any, knows the tags `known`."""
        reading = read_second_reading(adapter)
        if reading is None:
            return cls(read_thresholds(adapter))
        thresholds = {str(tier): value for tier, value in reading.thresholds.items()}
        return cls(thresholds, reading, Reader.load(adapter).widened(known))

    def judge(self, rows: Sequence[Row], posteriors: Tensor) -> Tensor:
        """Return [rows, tags]: how sure the best tag is, to be held against the thresholds."""
        if self.reader is None or self.reading is None:
            return posteriors
        scores = self.reader.scores([row.text for row in rows])
        return Readings(list(rows), posteriors, scores).judge(self.reading)

    def taught(
        self, recipe: ReaderRecipe, taught: Sequence[TaughtSkill], lesson: Lesson, datasets: Path
    ) -> "Judge":
        """Return who is asked from now on: a second reader, if any, is fitted anew with the lesson."""
        if self.reader is None:
            return self
        rows, _ = read_unclaimed(taught, datasets, [*recipe.commands, *recipe.remote])
        augmenter = Augmenter(recipe.augmentation, [*rows, *lesson.new], recipe.seed)
        texts, labels = lay_out(rows, augmenter)
        new_texts, new_labels = lay_out(lesson.new, augmenter, DISTURBED)
        return replace(self, reader=fit(recipe, [*texts, *new_texts], [*labels, *new_labels]))

    def with_thresholds(self, thresholds: Mapping[str, float]) -> "Judge":
        """Return the same with other thresholds."""
        reading = self.reading and self.reading.model_copy(update={"thresholds": dict(thresholds)})
        return replace(self, thresholds=thresholds, reading=reading)

    def save(self, adapter: Path) -> None:
        """Write the thresholds, and the second reader where there is one, beside an adapter."""
        if self.reader is None or self.reading is None:
            text = json.dumps(dict(self.thresholds), indent=2)
            (adapter / THRESHOLDS_NAME).write_text(text + "\n", encoding="utf-8")
            return
        self.reader.save(adapter)
        save_reading(self.reading, adapter)
