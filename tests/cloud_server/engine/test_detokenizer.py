"""Pieces of text are whole characters and, joined, the whole text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from cloud_server.engine.detokenizer import Detokenizer
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer

BYTE_LEVEL = make_byte_tokenizer(GEMMA_MARKS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"))


def byte_fallback_tokenizer() -> Tokenizer:
    """As Gemma's: pieces with a mark for the space, and a token a byte for what is in no piece."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
    vocabulary |= {"▁dog": 256, "▁": 257, "狗": 258, "s": 259}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, fuse_unk=False))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


BYTE_FALLBACK = byte_fallback_tokenizer()


def pieces(tokenizer, token_ids):
    detokenizer = Detokenizer(tokenizer)
    return [piece for piece in map(detokenizer.feed, token_ids) if piece]


@settings(deadline=None, derandomize=True)
@given(TEXTS)
def test_joined_pieces_are_the_text(text):
    given_out = pieces(BYTE_LEVEL, BYTE_LEVEL.encode(text, add_special_tokens=False).ids)
    assert "".join(given_out) == text
    assert all("\ufffd" not in piece for piece in given_out)


@settings(deadline=None, derandomize=True)
@given(TEXTS)
def test_byte_fallback_gives_out_whole_characters_too(text):
    given_out = pieces(BYTE_FALLBACK, list(text.encode()))
    assert "".join(given_out) == text
    assert all("\ufffd" not in piece for piece in given_out)


def test_spaces_between_pieces_are_kept():
    assert pieces(BYTE_FALLBACK, [258, 256, 259, 256]) == ["狗", " dog", "s", " dog"]


@pytest.mark.parametrize("tokenizer", [BYTE_LEVEL, BYTE_FALLBACK])
def test_a_character_that_is_cut_off_is_never_given_out(tokenizer):
    whole = BYTE_LEVEL.encode("a狗").ids if tokenizer is BYTE_LEVEL else list("a狗".encode())
    assert pieces(tokenizer, whole[:-1]) == ["a"]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 255), max_size=30))
def test_broken_bytes_take_nothing_back_and_lose_no_later_text(token_ids):
    dog = list("狗 dog".encode())
    given_out = pieces(BYTE_FALLBACK, [*token_ids, 259, *dog])
    assert "".join(given_out).endswith("狗 dog")


def test_special_tokens_are_no_text():
    mark = BYTE_LEVEL.token_to_id("<end_of_turn>")
    letter = BYTE_LEVEL.encode("a").ids[0]
    assert pieces(BYTE_LEVEL, [letter, mark, letter]) == ["a", "a"]
