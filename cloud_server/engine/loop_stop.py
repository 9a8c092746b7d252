"""Repetition loops: an answer ends before it says the same a third time, where a small base would go on for ever."""

from collections import Counter, defaultdict, deque
from functools import partial

LEAST_PIECE, LONGEST_PIECE = 4, 80
"""How many characters a piece has that must not stand three times in a row."""
TIMES, TIMES_OF_A_NUMBER = 3, 5
"""1,000,000,000 has ",000" three times in a row."""

_NUMBER = frozenset("0123456789,.")
_SENTENCE_ENDS = frozenset(".!?。！？\n")
_COMMAS = frozenset(",;:，；：、")
_MARKS = _COMMAS | _SENTENCE_ENDS


class LoopStop:
    """Passes text on as it grows; what may become a third time is held back until that is decided.

    A piece of 4 to 80 characters does not stand three times in a row, and no sentence of 4 or more three
    times at all: the answer ends before the third.
    """

    def __init__(self) -> None:
        self.is_met = False
        self._text = ""
        self._given = 0
        self._places: defaultdict[str, deque[int]] = defaultdict(
            partial(deque, maxlen=LONGEST_PIECE)
        )
        """By character: where it stands, the last ones."""
        self._runs: dict[int, int] = {}
        """By size: how many characters at the end equal the one so many before them."""
        self._sentence = ""
        self._sentences: Counter[str] = Counter()

    def feed(self, text: str) -> str:
        """Return the text that may be given out now; nothing more once a third time is met."""
        for character in text:
            if self.is_met:
                return ""
            if third := self._take(character):
                self.is_met = True
                return self._give(self._behind_a_clause(third))
        held = max(self._begun_piece(), self._begun_sentence())
        return self._give(held + self._comma_before(held))

    def finish(self) -> str:
        """Return what was held back for a third time that did not come."""
        if self.is_met:
            return ""
        self.is_met = self._is_third(self._sentence)
        return self._give(len(self._sentence) if self.is_met else 0)

    def _behind_a_clause(self, third: int) -> int:
        """Return what to leave out with the third time, or of it, so that a clause is not cut."""
        before, piece = self._text[-third - 1 : -third], self._text[-third:]
        ends = [at for at, each in enumerate(piece) if each in _MARKS]
        is_cut = before.strip() and before not in _MARKS
        return third - ends[0] if is_cut and ends else third + self._comma_before(third)

    def _comma_before(self, held: int) -> int:
        end = len(self._text) - held
        return int(self._text[end - 1 : end] in _COMMAS)

    def _give(self, held: int) -> str:
        """Return what was not given out yet, but for the last characters."""
        end = max(self._given, len(self._text) - held)
        given, self._given = self._text[self._given : end], end
        return given

    def _take(self, character: str) -> int:
        """Add a character, and return how long the third time is that it completes; 0: none."""
        sizes = [len(self._text) - place for place in self._places[character]]
        self._places[character].append(len(self._text))
        self._text += character
        self._runs = {
            size: self._runs.get(size, 0) + 1
            for size in reversed(sizes)
            if LEAST_PIECE <= size <= LONGEST_PIECE
        }
        for size, run in self._runs.items():
            if run >= (TIMES - 1) * size and run >= (self._times(size) - 1) * size:
                return size
        self._sentence += character
        if character not in _SENTENCE_ENDS:
            return 0
        sentence, self._sentence = self._sentence, ""
        if self._is_third(sentence):
            return len(sentence)
        self._sentences[_plain(sentence)] += 1
        return 0

    def _times(self, size: int) -> int:
        return TIMES_OF_A_NUMBER if _NUMBER.issuperset(self._text[-size:]) else TIMES

    def _is_third(self, sentence: str) -> bool:
        plain = _plain(sentence)
        return len(plain) >= LEAST_PIECE and self._sentences[plain] >= TIMES - 1

    def _begun_piece(self) -> int:
        """Return how many characters at the end may begin a piece's third time."""
        repeated = [(size, run) for size, run in self._runs.items() if run > size]
        return max([0, *(run - (self._times(size) - 2) * size for size, run in repeated)])

    def _begun_sentence(self) -> int:
        """Return how many characters at the end may begin a sentence's third time."""
        begun = self._sentence.lstrip().lower()
        said_twice = [each for each, count in self._sentences.items() if count >= TIMES - 1]
        return len(self._sentence) if any(each.startswith(begun) for each in said_twice) else 0


def end_loops(text: str) -> tuple[str, bool]:
    """Return a whole text up to a third time, and whether there was one."""
    stop = LoopStop()
    given = stop.feed(text) + stop.finish()
    return given, stop.is_met


def _plain(sentence: str) -> str:
    return sentence.strip("".join(_SENTENCE_ENDS) + " ").lower()
