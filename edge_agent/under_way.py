"""The utterances under way, so that whoever watches sees what was heard and decided as it happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge_agent.utterance import Utterance


class UnderWay:
    """Knows the utterances from their words to their outcome; `tell` says that there is news."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._utterances: list[Utterance] = []

    @contextmanager
    def follow(self, utterance: Utterance) -> Iterator[None]:
        """Show the utterance for the time of the block."""
        self._utterances.append(utterance)
        self._tell()
        try:
            yield
        finally:
            self._utterances = [each for each in self._utterances if each is not utterance]

    def describe(self) -> list[dict[str, Any]]:
        """Return what the state shows of them, the oldest first."""
        return [each.describe() for each in self._utterances]
