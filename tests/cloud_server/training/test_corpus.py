"""Tokens on disk are the text's own, in blocks whose order is the seed's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from cloud_server.loading import make_byte_tokenizer
from cloud_server.training import text_files
from cloud_server.training.corpus import Blocks, Encoding, hold_out, lay_out, open_corpus
from shared.errors import ConfigurationError, DataError

BEGIN, END = 256, 257


def encoding(**changes: object) -> Encoding:
    made = Encoding(make_byte_tokenizer(["<b>", "<e>"]), "hash", 258, (BEGIN,), (END,))
    return replace(made, **changes)


def read(path: Path) -> list[int]:
    return [int(token) for token in np.fromfile(path, dtype="<u4")]


def spell(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def test_documents_follow_each_other_between_their_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "PIECE_CHARACTERS", 3)
    one, two = tmp_path / "one.txt", tmp_path / "two.jsonl"
    one.write_text("ab\ncd\nef <e> gh")
    two.write_text('{"text": "ij"}\n{"text": "kl"}\n')
    made = encoding()
    tokens = read(open_corpus([one, two], made, tmp_path / "run"))
    pieces = ["ab\ncd\nef <e> gh", "ij", "kl"]
    expected = [[BEGIN, *spell(made.tokenizer, piece), END] for piece in pieces]
    assert tokens == [token for piece in expected for token in piece]
    assert tokens.count(END) == 3, "a mark's spelling in the text is plain text"


def test_a_corpus_is_made_once_and_no_other_takes_its_place(tmp_path: Path) -> None:
    path, run = tmp_path / "one.txt", tmp_path / "run"
    path.write_text("some text")
    tokens = open_corpus([path], encoding(), run)
    made_at = tokens.stat().st_mtime_ns
    assert open_corpus([path], encoding(), run).stat().st_mtime_ns == made_at
    with pytest.raises(ConfigurationError, match="tokenizer_sha256"):
        open_corpus([path], encoding(tokenizer_sha256="other"), run)
    with pytest.raises(ConfigurationError, match="list of files"):
        open_corpus([path, path], encoding(), run)
    path.write_text("same size")
    with pytest.raises(ConfigurationError, match=r"one\.txt"):
        open_corpus([path], encoding(), run)


def test_an_interrupted_corpus_is_made_anew(tmp_path: Path) -> None:
    path, run = tmp_path / "one.txt", tmp_path / "run"
    path.write_text("some text")
    whole = read(open_corpus([path], encoding(), run))
    (run / "corpus.json").unlink()
    (run / "tokens.u32").write_bytes(b"half")
    assert read(open_corpus([path], encoding(), run)) == whole


@pytest.mark.parametrize("text", ["", " \n\n "])
def test_an_empty_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "void.txt").write_text(text)
    with pytest.raises(DataError, match=r"void\.txt is empty"):
        open_corpus([tmp_path / "void.txt"], encoding(), tmp_path / "run")


def test_a_token_that_the_models_do_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("zz")
    with pytest.raises(DataError, match="not their tokenizer"):
        open_corpus([tmp_path / "a.txt"], encoding(vocabulary=20), tmp_path / "run")


def test_blocks_are_cut_in_a_row_and_held_out_ones_are_never_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(chr(97 + number % 26) for number in range(101)))
    tokens = open_corpus([tmp_path / "a.txt"], encoding(), tmp_path / "run")
    learnt, kept = hold_out(tokens, 10, 3, seed=5)
    assert sorted([*learnt, *kept]) == list(range(10))
    assert len(kept) == 3
    stored = read(tokens)
    block = Blocks(tokens, 10, kept)[1]["input_ids"]
    assert block.tolist() == stored[10 * kept[1] : 10 * kept[1] + 10]
    with pytest.raises(DataError, match="10 blocks"):
        hold_out(tokens, 10, 10, seed=5)


def test_the_order_is_the_seeds_and_differs_from_epoch_to_epoch() -> None:
    numbers = np.arange(50)
    order = lay_out(numbers, 120, seed=5)
    assert (order == lay_out(numbers, 120, seed=5)).all()
    assert (order[:50] == lay_out(numbers, 20, seed=5).tolist() + order[20:50].tolist()).all()
    assert sorted(order[:50]) == sorted(order[50:100]) == list(range(50))
    assert (order[:50] != order[50:100]).any()
    assert (order[:50] != lay_out(numbers, 50, seed=6)).any()
