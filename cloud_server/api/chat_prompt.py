"""A chat's messages become the prompt that the model was trained on.

The service's own system prompt always stands first. A caller's system and developer messages may
only open the chat; their text is put, as plain text, between that prompt and the first words of the
user: it may add to the system prompt and never replaces it. Whatever any message says is data: a
chat mark in it is encoded as the plain text that it is.
"""

from collections.abc import Sequence

from cloud_server.api.chat_messages import ChatMessage
from shared.errors import RequestError
from shared.prompt import SYSTEM_PROMPT, ChatFormat, Segment
from shared.text import clean_lines

_BETWEEN = "\n\n"
"""Parts messages that share a turn."""


def chat_segments(chat: ChatFormat, messages: Sequence[ChatMessage]) -> list[Segment]:
    """Return the prompt for `messages`, up to where the answer starts; RequestError for a wrong order.

    Neighbours of one role share a turn; a chat that the assistant opens gets an empty turn first.
    """
    system, turns = _part(messages)
    segments = [Segment(chat.prefix(SYSTEM_PROMPT), True)]
    for index, (role, text) in enumerate(turns):
        lead = f"{system}{_BETWEEN}" if index == 0 and system else ""
        segments.append(Segment(lead + text, False))
        opening = chat.dog if role == "user" else chat.user
        segments.append(Segment(f"{chat.end}{chat.separator}{opening}", True))
    return segments


def _part(messages: Sequence[ChatMessage]) -> tuple[str, list[tuple[str, str]]]:
    """Return the system messages' text, and the turns by role, the user's first and last."""
    system: list[str] = []
    turns: list[tuple[str, str]] = []
    for number, message in enumerate(messages):
        text = clean_lines(message.text)
        if message.role in ("system", "developer"):
            if turns:
                raise RequestError(f"body.messages.{number}: system messages come first")
            system.append(text)
        elif turns and turns[-1][0] == message.role:
            turns[-1] = (message.role, f"{turns[-1][1]}{_BETWEEN}{text}")
        else:
            turns.append((message.role, text))
    if not turns or turns[-1][0] != "user":
        raise RequestError("body.messages: the last message is the user's")
    if not turns[-1][1].strip():
        raise RequestError("body.messages: there is nothing to read in the last one")
    if turns[0][0] == "assistant":
        turns.insert(0, ("user", ""))
    return _BETWEEN.join(text for text in system if text), turns
