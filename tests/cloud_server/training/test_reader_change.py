"""What a second reader learns on top of what it knows: only the change is kept, as a table."""

from pathlib import Path

import numpy as np
import pytest

from cloud_server.adapter_files import second_reader_sha256
from cloud_server.making import RECIPES
from cloud_server.profiles import shipped_adapter
from cloud_server.training.reader_change import ReaderChange
from cloud_server.training.reader_learning import fit_change
from cloud_server.training.second_reader import (
    ChangeRecipe,
    Reader,
    fit,
    load_reader_recipe,
)
from shared.errors import ModelError
from shared.tags import TAGS, print_tag
from tests.cloud_server.training.test_second_reader import TEXTS, recipe

SIT, REMOTE = TAGS.index(print_tag("Sit")), len(TAGS) - 1
NEW = (["park your bottom", "bottom on the floor", "park the car"] * 2, [SIT, SIT, REMOTE] * 2)


def change_recipe(**changes: object) -> ChangeRecipe:
    given = {"commands": [], "remote": [], "replayed": 0, "sparsity": 1e-5, "rounds": 200}
    return ChangeRecipe.model_validate({**given, "most_steps": 400, **changes})


@pytest.fixture(scope="module")
def reader() -> Reader:
    return fit(recipe(), TEXTS, range(len(TAGS)))


@pytest.fixture(scope="module")
def change(reader: Reader) -> ReaderChange:
    return fit_change(change_recipe(), reader, NEW, (TEXTS, list(range(len(TAGS)))))


def test_it_learns_new_wordings_and_keeps_the_old(reader: Reader, change: ReaderChange) -> None:
    changed = reader.changed(change)
    assert changed.scores(NEW[0]).argmax(1).tolist() == NEW[1]
    assert changed.scores(TEXTS).argmax(1).tolist() == list(range(len(TAGS)))
    assert reader.scores(NEW[0]).argmax(1).tolist() != NEW[1]


def test_only_what_stands_in_new_texts_changes(change: ReaderChange) -> None:
    assert "wbottom" in change.pieces
    assert not any("weather" in piece for piece in change.pieces)


def test_no_more_is_changed_than_is_allowed(reader: Reader) -> None:
    few = fit_change(change_recipe(most_steps=30), reader, NEW, ([], []))
    assert 0 < np.count_nonzero(few.steps) <= 30


def test_it_is_kept_and_read(tmp_path: Path, reader: Reader, change: ReaderChange) -> None:
    reader.save(tmp_path)
    before = second_reader_sha256(tmp_path)
    change.save(tmp_path / "second_reader_change.tsv")
    assert np.allclose(
        Reader.load(tmp_path).scores(NEW[0]), reader.changed(change).scores(NEW[0]), atol=2e-3
    )
    assert second_reader_sha256(tmp_path) != before
    again = ReaderChange.load(tmp_path / "second_reader_change.tsv")
    assert (again.pieces, again.names) == (sorted(change.pieces), change.names)


def test_a_reader_that_is_written_whole_leaves_no_change_behind(
    tmp_path: Path, reader: Reader, change: ReaderChange
) -> None:
    reader.save(tmp_path)
    change.save(tmp_path / "second_reader_change.tsv")
    whole = Reader.load(tmp_path)
    whole.save(tmp_path)
    assert np.array_equal(Reader.load(tmp_path).scores(NEW[0]), whole.scores(NEW[0]))


def test_the_same_reader_gives_the_same_bytes(tmp_path: Path, reader: Reader) -> None:
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        reader.save(tmp_path / name)
        hashes.append(second_reader_sha256(tmp_path / name))
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("text", ["", "piece\trarity\tSit\nw a\tx\t1\n", "piece\trarity\tSit\nw\n"])
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "change.tsv").write_text(text)
    with pytest.raises(ModelError, match="fit the change again"):
        ReaderChange.load(tmp_path / "change.tsv")


def test_a_change_of_other_tags_is_refused(reader: Reader, change: ReaderChange) -> None:
    other = ReaderChange(change.pieces, change.rarity, change.steps[:, 1:], change.names[1:])
    with pytest.raises(ModelError, match="other tags"):
        reader.changed(other)


def test_what_is_shipped_is_the_recipes() -> None:
    wanted = load_reader_recipe(RECIPES / "second-reader.toml").change
    shipped = ReaderChange.load(shipped_adapter("gemma-270m") / "second_reader_change.tsv")
    assert wanted is not None
    assert 0 < np.count_nonzero(shipped.steps) <= wanted.most_steps
    assert [print_tag(name) if name != "REMOTE" else "[REMOTE]" for name in shipped.names] == [
        *TAGS
    ]
