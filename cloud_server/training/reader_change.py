"""What a second reader learnt after it was fitted: numbers added to its weights, as a table to read.

A reader is a binary file, of which the repository's history keeps every version (docs/decisions/0014, 0019). Its
change is text, a line a piece of wording: tab-separated values whose first line names the columns.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import ModelError
from shared.tags import TAGS, parse_tag
from shared.wording import piece_key, wording_pieces


@dataclass(frozen=True)
class ReaderChange:
    """pieces [n] with their rarity [n] and, in steps of each tag's scale, what their weights change by [n, tags].

    names: of the columns, without brackets.
    """

    pieces: list[str]
    rarity: NDArray[np.float32]
    steps: NDArray[np.int16]
    names: list[str]

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        keys: NDArray[np.uint32],
        rarity: NDArray[np.float32],
        steps: NDArray[np.int16],
    ) -> "ReaderChange":
        """Return the change of those keys that have any, each with a piece of `texts` that it stands for."""
        spelled = {piece_key(piece): piece for text in texts for piece in wording_pieces(text)}
        found = np.flatnonzero(steps.any(1))
        return cls(
            [spelled[int(key)] for key in keys[found]],
            rarity[found],
            steps[found],
            [parse_tag(tag) or "REMOTE" for tag in TAGS],
        )

    @property
    def keys(self) -> NDArray[np.uint32]:
        """The pieces' keys [n]."""
        return np.array([piece_key(piece) for piece in self.pieces], np.uint32)

    @classmethod
    def load(cls, path: Path) -> "ReaderChange":
        """Return the change in a file; ModelError where it cannot be read."""
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                (_, _, *names), *lines = csv.reader(stream, delimiter="\t")
            steps = [[int(step or 0) for step in line[2:]] for line in lines]
            return cls(
                [line[0] for line in lines],
                np.array([line[1] for line in lines], np.float32),
                np.array(steps, np.int16).reshape(len(lines), len(names)),
                names,
            )
        except (OSError, ValueError, IndexError) as error:
            raise ModelError(f"{path} cannot be read ({error}); fit the change again") from error

    def save(self, path: Path) -> None:
        """Write the change, pieces in alphabetical order; no change of a weight is an empty cell."""
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, delimiter="\t", lineterminator="\n")
            table.writerow(["piece", "rarity", *self.names])
            for at in sorted(range(len(self.pieces)), key=self.pieces.__getitem__):
                steps = [step or "" for step in self.steps[at].tolist()]
                table.writerow([self.pieces[at], f"{self.rarity[at]:.4g}", *steps])
