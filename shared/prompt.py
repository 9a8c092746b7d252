"""The one prompt that training, cloud and edge share, and how it becomes tokens.

A chat format's own marks are *control* segments; whatever a person, the history or a speech
recogniser said is a *plain* segment, in which a chat mark or a special token is encoded as the
plain text that it is.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from shared.errors import ConfigurationError
from shared.text import clean_utterance

SYSTEM_PROMPT = "You are Doger (狗哥), a robot dog. Skill tag first, like [Sit()]. Answer in the user's language."


class Turn(NamedTuple):
    """One earlier line of a conversation."""

    role: Literal["user", "dog"]
    text: str


class Segment(NamedTuple):
    """A piece of the prompt; only a `control` piece may become special tokens."""

    text: str
    control: bool


@dataclass(frozen=True)
class ChatFormat:
    """Where a family of models wants its marks; `end` closes every turn."""

    name: str
    begin: str
    user: str
    dog: str
    end: str
    separator: str

    def prefix(self, system_prompt: str) -> str:
        """Everything before the first user's words; constant, so its keys and values are cached."""
        if self.name == "gemma":  # Gemma has no system role: the first user turn carries it
            return f"{self.begin}{self.user}{system_prompt}\n\n"
        return (
            f"{self.begin}<|im_start|>system\n{system_prompt}{self.end}{self.separator}{self.user}"
        )

    @property
    def suffix(self) -> str:
        """Everything between the user's words and the answer."""
        return f"{self.end}{self.separator}{self.dog}"


GEMMA = ChatFormat(
    name="gemma",
    begin="<bos>",
    user="<start_of_turn>user\n",
    dog="<start_of_turn>model\n",
    end="<end_of_turn>",
    separator="\n",
)
CHATML = ChatFormat(
    name="chatml",
    begin="",
    user="<|im_start|>user\n",
    dog="<|im_start|>assistant\n",
    end="<|im_end|>",
    separator="\n",
)
CHAT_FORMATS = {chat.name: chat for chat in (GEMMA, CHATML)}


def chat_format(name: str) -> ChatFormat:
    """Return the chat format of that name; ConfigurationError for an unknown one."""
    try:
        return CHAT_FORMATS[name]
    except KeyError:
        raise ConfigurationError(
            f"chat format {name!r} is unknown; use one of {', '.join(CHAT_FORMATS)}"
        ) from None


def prompt_segments(
    chat: ChatFormat, utterance: str, history: Sequence[Turn] = ()
) -> list[Segment]:
    """Return the prompt for `utterance` after `history`, ready to be encoded piece by piece."""
    segments = [Segment(chat.prefix(SYSTEM_PROMPT), True)]
    for turn in history:
        segments.append(Segment(clean_utterance(turn.text), False))
        opening = chat.dog if turn.role == "user" else chat.user
        segments.append(Segment(f"{chat.end}{chat.separator}{opening}", True))
    segments.append(Segment(clean_utterance(utterance), False))
    segments.append(Segment(chat.suffix, True))
    return segments


def prompt_sha256(chat: ChatFormat) -> str:
    """Return the hash of all that shapes a prompt; a part of the fingerprint."""
    parts = [chat.name, chat.prefix(SYSTEM_PROMPT), chat.suffix]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


class FastTokenizer(Protocol):
    """What is needed of a `tokenizers.Tokenizer`."""

    encode_special_tokens: bool

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any: ...

    def encode_batch(self, input: list[str], *, add_special_tokens: bool) -> Any: ...


class PromptEncoder:
    """Encodes segments with two copies of one tokenizer, so that no shared switch is ever turned.

    `control` reads special tokens; `plain` takes their spelling as plain text. Both are
    `tokenizers.Tokenizer` objects of the same file.
    """

    def __init__(self, control: FastTokenizer, plain: FastTokenizer, chat: ChatFormat) -> None:
        plain.encode_special_tokens = True
        control.encode_special_tokens = False
        self._control = control
        self._plain = plain
        self.chat = chat

    def encode_segment(self, segment: Segment) -> list[int]:
        tokenizer = self._control if segment.control else self._plain
        return list(tokenizer.encode(segment.text, add_special_tokens=False).ids)

    def encode(self, segments: Sequence[Segment]) -> list[int]:
        """Return the token ids of the segments, each encoded by itself."""
        return [token for segment in segments for token in self.encode_segment(segment)]

    def encode_long(self, segments: Sequence[Segment]) -> list[int]:
        """Return what `encode` does, for a thread of its own: meanwhile other threads run.

        `Tokenizer.encode` keeps Python's lock, 2.6 s for a megabyte; `encode_batch` lets go of it.
        """
        ids: list[int] = []
        for text, control in segments:
            tokenizer = self._control if control else self._plain
            (encoding,) = tokenizer.encode_batch([text], add_special_tokens=False)
            ids += encoding.ids
        return ids

    @property
    def end_token_id(self) -> int:
        """The token that ends a turn."""
        return self.encode_segment(Segment(self.chat.end, True))[0]

    def encode_plain(self, text: str) -> list[int]:
        """Return the token ids of text in which nothing is a control token."""
        return self.encode_segment(Segment(text, False))

    def encode_prompt(self, utterance: str, history: Sequence[Turn] = ()) -> list[int]:
        """Return the whole prompt's token ids, up to where the answer starts."""
        return self.encode(prompt_segments(self.chat, utterance, history))
