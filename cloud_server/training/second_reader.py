"""The second reader of a trained shadow: its recipe, how it is fitted and how it is kept.

A linear model over an utterance's wording (`shared/wording.py`), one against the rest for every tag. Its
mistakes are others than the shadow's, so that the two together know better when to defer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from zipfile import ZIP_LZMA, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from cloud_server.adapter_files import SECOND_READER_CHANGE_NAME, SECOND_READER_NAME
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.data import Row
from cloud_server.training.pool import Numbers
from cloud_server.training.reader_change import ReaderChange
from cloud_server.training.recipe import Augmentation, Section
from shared.errors import ConfigurationError, DataError, ModelError
from shared.tags import TAGS, print_tag
from shared.toml_file import read_toml
from shared.wording import wording_keys

SLIGHT = 3
"""Weights of so few of a tag's 127 steps are left out: nine in ten, with which the file is a quarter smaller."""
_NEVER = -1e3
"""The score of a tag that a reader does not know."""


class ChangeRecipe(Section):
    """What a reader learns on top of what it knows, as a change of it (`reader_learning.py`)."""

    commands: list[str]
    remote: list[str]
    replayed: Annotated[int, Field(ge=0)]
    """Rows of what the reader was fitted to that are seen again, besides all its requests."""
    least_rows: Annotated[int, Field(ge=1)] = 2
    sparsity: Annotated[float, Field(ge=0)]
    rounds: Annotated[int, Field(ge=1)]
    most_steps: Annotated[int, Field(ge=1)]
    """Changed weights that are kept."""


class ReaderRecipe(Section):
    """Everything that decides a second reader; unknown keys fail."""

    name: str
    seed: int = 0
    commands: list[str]
    remote: list[str]
    validation: list[str]
    calibration: list[str]
    least_rows: Annotated[int, Field(ge=1)] = 3
    most_keys: Annotated[int, Field(ge=1)]
    penalty: Annotated[float, Field(gt=0)]
    epochs: Annotated[int, Field(ge=1)]
    augmentation: Augmentation = Augmentation()
    change: ChangeRecipe | None = None


def load_reader_recipe(path: Path) -> ReaderRecipe:
    """Return the recipe of a TOML file; ConfigurationError names every wrong or unknown key."""
    try:
        return ReaderRecipe.model_validate(read_toml(path, "recipe"))
    except ValidationError as error:
        raise ConfigurationError(f"recipe {path} is wrong: {error}") from error


@dataclass(frozen=True)
class Reader:
    """keys [n] ascending with their rarity [n]; scores of tags are rarity-weighted, unit-length keys
    times weights [n, tags], int8 with a scale a tag, plus bias [tags]."""

    keys: NDArray[np.uint32]
    rarity: NDArray[np.float32]
    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> Numbers:
        """Return [texts, tags]; a text of which no key is known gets the bias alone."""
        found = weigh(count_keys(texts, self.keys), self.rarity)
        scores: Numbers = found @ (self.weights * self.scales) + self.bias
        return scores

    def widened(self, known: Sequence[str]) -> "Reader":
        """Return the reader over all of today's tags; those that are not among its `known` never score."""
        columns = [known.index(tag) if tag in known else None for tag in TAGS]

        def spread(array: NDArray[Any], missing: float) -> NDArray[Any]:
            empty = np.full_like(array[..., 0], missing)
            return np.stack([empty if at is None else array[..., at] for at in columns], -1)

        return replace(
            self,
            weights=spread(self.weights, 0),
            scales=spread(self.scales, 1),
            bias=spread(self.bias, _NEVER),
        )

    @classmethod
    def load(cls, adapter: Path) -> "Reader":
        """Return the reader beside an adapter, with its change; ModelError where it cannot be read."""
        reader = cls.load_fitted(adapter)
        change = adapter / SECOND_READER_CHANGE_NAME
        return reader.changed(ReaderChange.load(change)) if change.exists() else reader

    @classmethod
    def load_fitted(cls, adapter: Path) -> "Reader":
        """Return it as it was fitted, without a change; ModelError where it cannot be read."""
        path = adapter / SECOND_READER_NAME
        try:
            with np.load(path, allow_pickle=False) as found:
                return cls(**{name: found[name] for name in found.files})
        except (OSError, ValueError, TypeError, BadZipFile) as error:
            raise ModelError(f"{path} cannot be read ({error}); train the reader again") from error

    def save(self, directory: Path) -> None:
        """Write the reader as it is, an `npz` packed by LZMA (a third smaller than numpy's own); the same reader
        gives the same bytes. What is there of another, its change too, goes."""
        (directory / SECOND_READER_CHANGE_NAME).unlink(missing_ok=True)
        with ZipFile(directory / SECOND_READER_NAME, "w") as packed:
            for name, array in vars(self).items():
                entry = ZipInfo(f"{name}.npy")
                entry.compress_type = ZIP_LZMA
                with packed.open(entry, "w") as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)

    def changed(self, change: ReaderChange) -> "Reader":
        """Return the reader with a change's steps added to its weights; ModelError where it is another reader's."""
        wide = self.with_keys(change.keys, change.rarity)
        if change.steps.shape[1] != wide.weights.shape[1]:
            raise ModelError("the second reader's change knows other tags; fit it again")
        weights = wide.weights.astype(np.int16)
        weights[np.searchsorted(wide.keys, change.keys)] += change.steps
        return replace(wide, weights=np.clip(weights, -127, 127).astype(np.int8))

    def with_keys(self, keys: NDArray[np.uint32], rarity: NDArray[np.float32]) -> "Reader":
        """Return the reader that knows these keys too, with weights of 0; those that it knows keep their rarity."""
        new = ~np.isin(keys, self.keys)
        both = np.concatenate([self.keys, keys[new]])
        order = np.argsort(both)
        nothing = np.zeros((int(new.sum()), self.weights.shape[1]), np.int8)
        return replace(
            self,
            keys=both[order],
            rarity=np.concatenate([self.rarity, rarity[new]])[order],
            weights=np.concatenate([self.weights, nothing])[order],
        )


def rarity_of(texts: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the inverse document frequency, smoothed, of keys that stand in so many of so many texts."""
    return (np.log((1 + texts) / (1 + rows)) + 1).astype(np.float32)


def lay_out(
    rows: Sequence[Row], augmenter: Augmenter, disturbed: int = 1
) -> tuple[list[str], list[int]]:
    """Return every row's text as it is and `disturbed` times disturbed, and their labels in `TAGS`."""
    texts = [
        text
        for row in rows
        for text in (row.text, *(augmenter.disturb(row) for _ in range(disturbed)))
    ]
    labels = [TAGS.index(print_tag(row.label)) for row in rows for _ in range(1 + disturbed)]
    return texts, labels


def fit(recipe: ReaderRecipe, texts: Sequence[str], labels: Sequence[int]) -> Reader:
    """Return a reader of the texts' labels, indices of `TAGS`; DataError where a tag has no text."""
    if missing := sorted(set(range(len(TAGS))) - set(labels)):
        raise DataError(f"no training row is labelled {', '.join(TAGS[each] for each in missing)}")
    keys, rows = frequent_keys(texts, recipe.least_rows)
    rarity = rarity_of(len(texts), rows)
    inputs = weigh(count_keys(texts, keys), rarity)
    print(f"{len(texts):,} texts, {len(keys):,} keys", flush=True)
    model = SGDClassifier(
        loss="log_loss",
        alpha=recipe.penalty,
        max_iter=recipe.epochs,
        tol=None,
        random_state=recipe.seed,
    ).fit(inputs, labels)
    weights = model.coef_.T
    kept = np.sort(np.argsort(-np.abs(weights).max(1) * rarity)[: recipe.most_keys])
    weights = weights[kept]
    scales = np.abs(weights).max(0) / 127
    steps = np.round(weights / scales).astype(np.int8)
    steps[np.abs(steps) <= SLIGHT] = 0
    return Reader(
        keys[kept],
        rarity[kept],
        steps,
        scales.astype(np.float32),
        model.intercept_.astype(np.float32),
    )


def frequent_keys(texts: Sequence[str], least: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the keys that stand in at least `least` texts, ascending, and in how many."""
    found = np.concatenate([np.array(wording_keys(text), np.uint32) for text in texts])
    keys, counts = np.unique(found, return_counts=True)
    often = counts >= least
    return keys[often], counts[often]


def count_keys(texts: Sequence[str], keys: NDArray[np.uint32]) -> Any:
    """Return a sparse matrix [texts, keys], 1 where a key stands in a text."""
    column = {key: number for number, key in enumerate(keys.tolist())}
    columns = [[column[key] for key in wording_keys(text) if key in column] for text in texts]
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.fromiter((each for row in columns for each in row), np.int64, ends[-1])
    return sparse.csr_matrix((np.ones(len(flat)), flat, ends), (len(texts), len(keys)))


def weigh(counts: Any, rarity: NDArray[np.float32]) -> Any:
    """Return the rows of a sparse matrix times their keys' rarity, each of length 1."""
    weighed = counts @ sparse.diags(rarity.astype(np.float64))
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(1)).ravel())
    return (sparse.diags(1 / np.maximum(lengths, 1e-12)) @ weighed).tocsr()
