"""Stop strings: the answer ends before the first of them, also where one spans tokens."""

from collections.abc import Sequence


class StopText:
    """Passes text on as it grows; what may become a stop string is held back until that is decided."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(each for each in stop if each)
        self._held = ""
        self.is_met = False

    def feed(self, text: str) -> str:
        """Return the text that may be given out now; nothing more once a stop string is met."""
        if self.is_met:
            return ""
        self._held += text
        found = [at for each in self._stop if (at := self._held.find(each)) >= 0]
        if found:
            self.is_met = True
            given, self._held = self._held[: min(found)], ""
            return given
        keep = max((_overlap(self._held, each) for each in self._stop), default=0)
        cut = len(self._held) - keep
        given, self._held = self._held[:cut], self._held[cut:]
        return given

    def finish(self) -> str:
        """Return what was held back for a stop string that did not come."""
        given, self._held = self._held, ""
        return given


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` are a beginning of `stop`."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if stop.startswith(text[-n:])), 0)
