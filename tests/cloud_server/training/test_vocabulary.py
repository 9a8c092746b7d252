"""A pruned tokenizer encodes what it covers as before, and everything else in more tokens."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, trainers

from cloud_server.training.vocabulary import (
    Vocabulary,
    close_under_merges,
    prune,
    read_kept,
    vocabulary_path,
    write_kept,
)
from cloud_server.training.vocabulary_choice import choose_tokens
from shared.errors import ConfigurationError, ModelError

SENTENCES = [
    "sit down please, good dog",
    "the dogs are sitting down",
    "lower the lowest sitting room",
    "坐下，狗哥，请坐下",
    "狗哥转个圈，好不好",
    "Привет, собака",
] * 20
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small BPE tokenizer with byte fall-back and Gemma's way with spaces."""
    made = Tokenizer(models.BPE(byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    made.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(vocab_size=420, special_tokens=["<bos>", *BYTES], show_progress=False),
    )
    spec = made.to_str()
    return Tokenizer.from_str(spec)


@pytest.fixture(scope="module")
def pruned(tokenizer: Tokenizer) -> Vocabulary:
    return prune(tokenizer, sorted(choose_tokens(tokenizer, ["sit", "down", "dogs"], ["坐下"])))


def old_ids(vocabulary: Vocabulary, text: str) -> list[int]:
    encoded = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
    return [vocabulary.kept[each] for each in encoded]


def test_fewer_tokens_are_left(tokenizer: Tokenizer, pruned: Vocabulary) -> None:
    assert len(pruned.kept) < tokenizer.get_vocab_size()
    assert pruned.tokenizer.get_vocab_size() == len(pruned.kept)
    assert pruned.tokenizer.token_to_id("Привет") is None


@given(st.lists(st.sampled_from(["sit", "Sit", "DOWN", "dogs", "坐下", " ", ", "]), max_size=12))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_text_whose_tokens_are_kept_is_encoded_as_before(
    tokenizer: Tokenizer, pruned: Vocabulary, words: list[str]
) -> None:
    text = "".join(words)
    before = tokenizer.encode(text, add_special_tokens=False).ids
    if set(before) <= set(pruned.kept):
        assert old_ids(pruned, text) == before


@given(st.text(max_size=30))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_every_text_can_be_encoded_and_read_back(pruned: Vocabulary, text: str) -> None:
    spaced = text.replace("▁", " ").encode("utf-8", "replace").decode()
    ids = pruned.tokenizer.encode(spaced, add_special_tokens=False).ids
    assert pruned.tokenizer.decode(ids, skip_special_tokens=False) == spaced


def test_the_closure_keeps_every_step_of_a_derivation(tokenizer: Tokenizer) -> None:
    token_id = tokenizer.token_to_id("▁sitting") or tokenizer.token_to_id("sitting")
    assert token_id is not None
    closed = close_under_merges(tokenizer, {token_id, *map(tokenizer.token_to_id, BYTES)})
    small = prune(tokenizer, sorted(closed))
    assert small.tokenizer.encode(tokenizer.id_to_token(token_id)).ids == [
        small.kept.index(token_id)
    ]


def test_without_bytes_a_vocabulary_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ModelError, match="bytes"):
        prune(tokenizer, [tokenizer.token_to_id("s")])


def test_a_word_level_tokenizer_is_refused() -> None:
    with pytest.raises(ModelError, match="byte fall-back"):
        prune(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), [0])


def test_kept_tokens_are_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_server.training.vocabulary._FOLDER", tmp_path)
    write_kept(vocabulary_path("some-base"), [1, 5, 40], 64)
    assert read_kept("some-base") == [1, 5, 40]
    with pytest.raises(ConfigurationError, match="--vocabulary whole"):
        read_kept("other-base")


def test_the_default_base_has_its_list() -> None:
    kept = read_kept("gemma-3-270m")
    assert 100_000 < len(kept) < 130_000
    assert kept == sorted(set(kept))
