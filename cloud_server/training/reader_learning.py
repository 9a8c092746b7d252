"""`cloud-server train-reader --change`: what a second reader learns on top of what it was fitted to (docs/decisions/0019)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud_server.adapter_files import SECOND_READER_CHANGE_NAME
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.data import read_files
from cloud_server.training.pool import Numbers
from cloud_server.training.reader_change import ReaderChange
from cloud_server.training.reader_training import renew
from cloud_server.training.second_reader import (
    ChangeRecipe,
    Reader,
    ReaderRecipe,
    count_keys,
    frequent_keys,
    lay_out,
    rarity_of,
    weigh,
)
from shared.errors import ConfigurationError

_SETTLING = 40
"""Rounds after the smallest changes were left out, in which the others make up for them."""


def train_change(
    recipe: ReaderRecipe, profile: str, adapter: Path, datasets: Path, no_looser: bool = False
) -> dict[str, Any]:
    """Fit the recipe's change of the reader beside an adapter, in place of one that is there; return figures.

    no_looser: see `weigh_again`.
    """
    wanted = recipe.change
    if wanted is None:
        raise ConfigurationError(f"recipe {recipe.name} has no [change]")
    reader = Reader.load_fitted(adapter)
    new = read_files(datasets, [*wanted.commands, *wanted.remote])
    learnt = {row.id for row in new}
    known = [
        row
        for row in read_files(datasets, [*recipe.commands, *recipe.remote])
        if not row.history and row.id not in learnt
    ]
    chosen = set(np.random.default_rng(recipe.seed).permutation(len(known))[: wanted.replayed])
    replayed = [row for at, row in enumerate(known) if at in chosen or row.kind == "request"]
    augmenter = Augmenter(recipe.augmentation, [*new, *replayed], recipe.seed)
    change = fit_change(wanted, reader, lay_out(new, augmenter), lay_out(replayed, augmenter))

    def write(made: Path) -> None:
        change.save(made / SECOND_READER_CHANGE_NAME)

    return renew(write, recipe, profile, adapter, datasets, no_looser)


def fit_change(
    recipe: ChangeRecipe,
    reader: Reader,
    new: tuple[list[str], list[int]],
    replayed: tuple[list[str], list[int]],
) -> ReaderChange:
    """Return what a reader has to change to read `new` texts with their labels; `replayed` ones hold it where it is.

    Only pieces that stand in new texts change.
    """
    texts, labels = [*new[0], *replayed[0]], [*new[1], *replayed[1]]
    keys, rows = frequent_keys(new[0], recipe.least_rows)
    wide = reader.with_keys(keys, rarity_of(len(texts), rows))
    inputs = weigh(count_keys(texts, wide.keys), wide.rarity).tocsc()
    weights = wide.weights * wide.scales
    may = np.searchsorted(wide.keys, keys)
    found = fit_steps(
        inputs[:, may].tocsr(),
        inputs @ weights + wide.bias,
        labels,
        weighs=wide.rarity[may],
        sparsity=recipe.sparsity,
        rounds=recipe.rounds,
        most=recipe.most_steps,
    )
    steps = np.round(found / wide.scales).astype(np.int16)
    return ReaderChange.of(new[0], keys, wide.rarity[may], steps)


def fit_steps(
    inputs: Any,
    scores: Numbers,
    labels: Sequence[int],
    *,
    weighs: NDArray[np.float32],
    sparsity: float,
    rounds: int,
    most: int,
) -> Numbers:
    """Return what to add to the weights [columns, tags] of a linear model that gives texts `scores` [texts, tags].

    inputs: [texts, columns], sparse, rows of unit length. The logistic loss of every tag against the rest, averaged
    over the texts, with `sparsity` times the sum of the changes' sizes, by accelerated proximal gradient steps (Beck and
    Teboulle 2009, FISTA); few `rounds` regularise. Then the `most` that weigh most, times a column's `weighs`, are kept
    and settle.
    """
    signs = np.full(scores.shape, -1.0)
    signs[np.arange(len(labels)), labels] = 1
    turned = inputs.T.tocsr()
    length = 1 / (0.25 * _largest_eigenvalue(inputs, turned) / len(labels))

    def descend(start: Numbers, allowed: Numbers, penalty: float, rounds: int) -> Numbers:
        ahead, found, speed = start, start, 1.0
        for _ in range(rounds):
            wrong = -signs / (1 + np.exp(signs * (scores + inputs @ ahead)))
            moved = ahead - length * (turned @ wrong) / len(labels)
            shrunk = np.sign(moved) * np.maximum(np.abs(moved) - length * penalty, 0) * allowed
            faster = (1 + np.sqrt(1 + 4 * speed * speed)) / 2
            ahead = shrunk + (speed - 1) / faster * (shrunk - found)
            found, speed = shrunk, faster
        return found

    nothing = np.zeros((inputs.shape[1], scores.shape[1]))
    found = descend(nothing, np.ones_like(nothing), sparsity, rounds)
    sizes = np.abs(found) * weighs[:, None]
    places = np.argsort(sizes, axis=None, kind="stable")[::-1]
    kept = np.isin(np.arange(sizes.size), places[:most]).reshape(sizes.shape).astype(float)
    return descend(found * kept, kept, 0.0, _SETTLING)


def _largest_eigenvalue(inputs: Any, turned: Any) -> float:
    """Return that of inputs' transpose times inputs, by power iteration."""
    direction = np.ones(inputs.shape[1])
    for _ in range(30):
        direction = turned @ (inputs @ direction)
        size = float(np.linalg.norm(direction))
        direction /= size
    return 1.1 * size
