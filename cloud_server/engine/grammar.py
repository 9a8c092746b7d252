"""The tag grammar over tokens: which token may come next while an answer spells its leading tag."""

from collections.abc import Sequence

from shared.prompt import PromptEncoder
from shared.tags import TAGS


class TagGrammar:
    """The spellings of the 35 tags in a tokenizer's tokens."""

    def __init__(self, encoder: PromptEncoder) -> None:
        self._spellings = tuple(tuple(encoder.encode_plain(tag)) for tag in TAGS)

    def allowed(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Return the tokens that may follow, ascending; None where a tag is complete: any token."""
        said = tuple(answer_ids)
        length = len(said)
        if any(said[: len(spelling)] == spelling for spelling in self._spellings):
            return None
        following = {s[length] for s in self._spellings if len(s) > length and s[:length] == said}
        return tuple(sorted(following)) or None
