"""`cloud-server train-reader`: fits the second reader of a trained shadow and says how it is weighed.

A linear model over an utterance's wording (`shared/wording.py`), one against the rest for every tag. Its
mistakes are others than the shadow's, so that the two together know better when to defer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any
from zipfile import ZIP_LZMA, BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from torch import Tensor

from cloud_server.adapter_files import (
    LEAST_PROBABILITY,
    SECOND_READER_NAME,
    SECOND_READING_NAME,
)
from cloud_server.modeling import ShadowModel
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.base import load_training_base
from cloud_server.training.data import Row, read_files
from cloud_server.training.posterior import tag_posteriors
from cloud_server.training.recipe import Augmentation, Section
from cloud_server.training.thresholds import RISKS, Choice, best_skills, choose_for
from cloud_server.training.train import validation_figures
from shared.bundle import SecondReading
from shared.errors import ConfigurationError, DataError, ModelError
from shared.skills import Tier
from shared.tags import TAGS, print_tag
from shared.toml_file import read_toml
from shared.wording import wording_keys

Numbers = NDArray[np.float64]
Posteriors = Callable[[list[str]], Tensor]
"""A shadow's posteriors [texts, tags] of texts."""
WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
"""What is tried as the weight of either reader."""
NEAR_MISSES = 0.03
"""What share of near-misses both readers together may act on, at most, with the thresholds' confidence."""
MARGIN = {Tier.SAFE: 1.0, Tier.IN_PLACE: 1.0, Tier.NEEDS_SPACE: 0.75, Tier.DANGEROUS: 0.05}
"""What share of the doubt allowed in place is allowed in a tier; tier 3 also has its least probability."""
SLIGHT = 3
"""Weights of so few of a tag's 127 steps are left out: nine in ten, with which the file is a quarter smaller."""
_LEAST = 1e-5
_NEVER = -1e3
"""The score of a tag that a reader does not know."""


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
        """Return the reader beside an adapter; ModelError where it cannot be read."""
        path = adapter / SECOND_READER_NAME
        try:
            with np.load(path, allow_pickle=False) as found:
                return cls(**{name: found[name] for name in found.files})
        except (OSError, ValueError, TypeError, BadZipFile) as error:
            raise ModelError(f"{path} cannot be read ({error}); train the reader again") from error

    def save(self, adapter: Path) -> None:
        """Write the reader beside an adapter: an `npz` packed by LZMA, a third smaller than numpy's own."""
        with ZipFile(adapter / SECOND_READER_NAME, "w", ZIP_LZMA) as packed:
            for name, array in vars(self).items():
                with packed.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)


def train_reader(
    recipe: ReaderRecipe, profile: str, adapter: Path, datasets: Path
) -> dict[str, Any]:
    """Fit the reader, weigh it against the adapter's shadow, write both beside it; return figures."""
    loaded = load_training_base(profile, torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, adapter)
    rows = [
        row for row in read_files(datasets, [*recipe.commands, *recipe.remote]) if not row.history
    ]
    augmenter = Augmenter(recipe.augmentation, rows, recipe.seed)
    reader = fit(recipe, *lay_out(rows, augmenter))
    reading, figures = weigh_reader(
        reader,
        lambda texts: tag_posteriors(model, loaded.encoder, texts),
        read_files(datasets, recipe.validation),
        read_files(datasets, recipe.calibration),
    )
    reader.save(adapter)
    save_reading(reading, adapter)
    return {"keys": len(reader.keys), **figures}


def weigh_reader(
    reader: "Reader", read: Posteriors, validation: list[Row], calibration: list[Row]
) -> tuple[SecondReading, dict[str, Any]]:
    """Return how a reader is weighed against the shadow that has `read` the rows, and figures.

    The weights are fitted on the validation rows, the thresholds chosen on the calibration rows.
    """
    fitting, choosing = (
        Readings(rows, read([row.text for row in rows]), reader.scores([row.text for row in rows]))
        for rows in (validation, calibration)
    )
    weights = choose_weights(fitting)
    choice = choosing.choose(*weights)
    reading = SecondReading(
        shadow_weight=weights[0],
        reader_weight=weights[1],
        thresholds=choice.thresholds,  # type: ignore[arg-type]
    )
    return reading, {
        "reading": reading.model_dump(),
        "certified": choice.certified,
        "risks": choice.counts,
        "validation": fitting.figures(reading),
    }


def save_reading(reading: SecondReading, adapter: Path) -> None:
    """Write beside an adapter how its second reader is weighed."""
    text = reading.model_dump_json(indent=2) + "\n"
    (adapter / SECOND_READING_NAME).write_text(text, encoding="utf-8")


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
    keys, rows = _frequent_keys(texts, recipe.least_rows)
    rarity = (np.log((1 + len(texts)) / (1 + rows)) + 1).astype(np.float32)
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


def _frequent_keys(
    texts: Sequence[str], least: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
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


@dataclass(frozen=True)
class Readings:
    """What both readers make of rows: the shadow's posteriors [rows, tags] and the second's scores."""

    rows: list[Row]
    posteriors: Tensor
    scores: Numbers

    def pool(self, shadow_weight: float, reader_weight: float) -> Tensor:
        """Return the confidence [rows, tags] of both: softmax of the weighed logarithms and scores."""
        joint = shadow_weight * self.posteriors.double().clamp_min(_LEAST).log()
        return (joint + reader_weight * torch.from_numpy(self.scores)).softmax(1)

    def loss(self, shadow_weight: float, reader_weight: float) -> float:
        """Return the mean negative logarithm of the labels' confidence."""
        labels = torch.tensor([TAGS.index(print_tag(row.label)) for row in self.rows])
        pooled = self.pool(shadow_weight, reader_weight)
        return float(-pooled[torch.arange(len(labels)), labels].log().mean())

    def best(self, shadow_weight: float, reader_weight: float) -> tuple[list[float], list[Any]]:
        """Return the confidence of the shadow's best tags and their tiers, as `best_skills` does.

        It is 0 where the shadow's own probability is below the least.
        """
        probabilities, tiers = best_skills(self.posteriors)
        tags = self.posteriors.argmax(1)
        sure = self.pool(shadow_weight, reader_weight)[torch.arange(len(tags)), tags].tolist()
        least = [0.0 if tier is None else LEAST_PROBABILITY[str(int(tier))] for tier in tiers]
        clears = [probability >= bar for probability, bar in zip(probabilities, least, strict=True)]
        return [value if clear else 0.0 for value, clear in zip(sure, clears, strict=True)], tiers

    def choose(self, shadow_weight: float, reader_weight: float) -> Choice:
        """Return the loosest thresholds on the confidence whose risks are bounded."""
        risks = [
            replace(risk, most=NEAR_MISSES) if risk.name == "near misses" else risk
            for risk in RISKS
        ]
        best, tiers = self.best(shadow_weight, reader_weight)
        return choose_for(best, tiers, self.rows, risks, margin=MARGIN)

    def figures(self, reading: SecondReading) -> dict[str, Any]:
        """Return shares right and wrong after thresholds; see `validation_figures`."""
        thresholds = {str(tier): value for tier, value in reading.thresholds.items()}
        return validation_figures(self.judge(reading), self.rows, thresholds)

    def judge(self, reading: SecondReading) -> Tensor:
        """Return [rows, tags]: the confidence in the shadow's best tag, all else 0."""
        sure, _ = self.best(reading.shadow_weight, reading.reader_weight)
        tags = self.posteriors.argmax(1)
        chosen = torch.zeros_like(self.posteriors)
        chosen[torch.arange(len(tags)), tags] = torch.tensor(sure)
        return chosen


def choose_weights(readings: Readings) -> tuple[float, float]:
    """Return the weights of shadow and second reader whose confidence fits the labels best."""
    tried = [pair for pair in product(WEIGHTS, WEIGHTS) if any(pair)]
    return min(tried, key=lambda pair: readings.loss(*pair))
