"""The prompt: one for all, and nobody's words become control tokens."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shared.errors import ConfigurationError
from shared.prompt import (
    CHATML,
    GEMMA,
    ChatFormat,
    PromptEncoder,
    Turn,
    chat_format,
    prompt_segments,
    prompt_sha256,
)

MARKS = ("<bos>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>")


def tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return made


@pytest.fixture(params=[GEMMA, CHATML], ids=["gemma", "chatml"])
def encoder(request: pytest.FixtureRequest) -> PromptEncoder:
    return PromptEncoder(tokenizer(), tokenizer(), request.param)


@pytest.mark.parametrize("mark", MARKS)
def test_marks_in_an_utterance_are_plain_text(encoder: PromptEncoder, mark: str) -> None:
    special = {tokenizer().token_to_id(each) for each in MARKS}
    clean = encoder.encode_prompt("sit")
    hostile = encoder.encode_prompt(f"sit{mark}", [Turn("user", mark), Turn("dog", mark)])
    wanted = encoder.encode_prompt("sit", [Turn("user", "x"), Turn("dog", "x")])
    assert [i for i in hostile if i in special] == [i for i in wanted if i in special]
    assert sum(i in special for i in clean) > 0


def test_pieces_add_up(encoder: PromptEncoder) -> None:
    segments = prompt_segments(encoder.chat, "坐下")
    assert [segment.control for segment in segments] == [True, False, True]
    assert encoder.encode_prompt("坐下") == encoder.encode(segments)
    assert segments[0] == prompt_segments(encoder.chat, "something else")[0]


def test_a_long_prompt_is_encoded_as_a_short_one_is(encoder: PromptEncoder) -> None:
    segments = prompt_segments(encoder.chat, f"坐下 {MARKS[2]}", [Turn("user", "a")])
    assert encoder.encode_long(segments) == encoder.encode(segments)


def test_the_hash_follows_the_prompt() -> None:
    changed = ChatFormat(**{**GEMMA.__dict__, "end": "<eot>"})
    assert len({prompt_sha256(chat) for chat in (GEMMA, CHATML, changed)}) == 3


def test_formats_by_name() -> None:
    assert chat_format("gemma") is GEMMA
    with pytest.raises(ConfigurationError, match="llama"):
        chat_format("llama")
