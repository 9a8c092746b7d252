"""What the dog did on its own since the cloud last answered: a few commands a session, in memory."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from shared.messages import MAX_RECENT, RecentCommand

MAX_SESSIONS = 32


class RecentCommands:
    """The cloud is told of them with the session's next question, so that "again" has a meaning."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, deque[RecentCommand]] = OrderedDict()
        """The longest unused one first."""

    def note(self, session_id: str, command: RecentCommand) -> None:
        """Keep a command that was carried out; the oldest goes where it becomes too much."""
        self._sessions.setdefault(session_id, deque(maxlen=MAX_RECENT)).append(command)
        self._sessions.move_to_end(session_id)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def of(self, session_id: str) -> list[RecentCommand]:
        """Return a session's commands, oldest first."""
        return list(self._sessions.get(session_id, ()))

    def forget(self, session_id: str, told: Sequence[RecentCommand]) -> None:
        """Drop what the cloud remembers from now on; what was done meanwhile stays."""
        left = [each for each in self.of(session_id) if not any(each is one for one in told)]
        self._sessions.pop(session_id, None)
        for each in left:
            self.note(session_id, each)
