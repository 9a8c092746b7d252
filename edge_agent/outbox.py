"""The outbox: utterances that the cloud did not answer, kept for the person in a small SQLite file."""

import itertools
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_agent.utterance import Utterance
from shared.errors import ConfigurationError, DataError
from shared.text import MAX_UTTERANCE_CHARACTERS, Language

MODE = 0o600
MAX_ENTRIES = 100
MAX_TEXT_CHARACTERS = 4 * MAX_UTTERANCE_CHARACTERS
"""Of a longer utterance the end is kept, which is what the models read of it."""
WAIT_S = 2.0
"""How long another process may hold the file."""

# What SQLite's messages begin with where the file itself may be whole; Python 3.10 gives no codes.
_IN_USE = ("database is locked", "database table is locked", "locking protocol")
_NO_PLACE = ("unable to open database", "database or disk is full", "disk I/O error")

_TABLE = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    time TEXT NOT NULL,
    text TEXT NOT NULL,
    lang TEXT NOT NULL,
    session_id TEXT NOT NULL,
    reason TEXT NOT NULL
)
"""
_COLUMNS = "request_id, time, text, lang, session_id, reason"

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unanswered:
    """One utterance that got no answer; `reason` is the outcome's, `time` RFC 3339."""

    request_id: str
    time: str
    text: str
    lang: Language
    session_id: str
    reason: str

    @classmethod
    def of(cls, utterance: Utterance, reason: str) -> "Unanswered":
        """Return the entry of an utterance."""
        text = utterance.text[-MAX_TEXT_CHARACTERS:]
        return cls(
            utterance.request_id,
            utterance.time,
            text,
            utterance.lang,
            utterance.session_id,
            reason,
        )


class Outbox:
    """Holds the last `max_entries` unanswered utterances, readable by their owner only.

    What is taken out is overwritten in the file. Each call opens the file anew, so that the agent
    and the command line may use it at once; each blocks on the disk, and raises DataError where
    that fails.
    """

    def __init__(self, path: Path, max_entries: int = MAX_ENTRIES) -> None:
        self.path = path
        self._max_entries = max_entries
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the file; a damaged one is set aside as `<name>.damaged` and begun anew.

        What was set aside before is kept, too. ConfigurationError where another process holds the
        file, or where the place cannot be written.
        """
        try:
            self._make()
            try:
                self.list()
            except DataError as error:
                if str(error.__cause__).startswith(_IN_USE + _NO_PLACE):
                    raise
                self._set_aside()
                self._make()
                self.list()
        except (OSError, DataError) as error:
            if str(error.__cause__).startswith(_IN_USE):
                raise ConfigurationError(
                    f"the outbox {self.path} is in use by another process; end that one, or set "
                    "EDGE_OUTBOX"
                ) from error
            raise ConfigurationError(
                f"the outbox {self.path} cannot be written ({error}); set EDGE_OUTBOX"
            ) from error

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, MODE))
        os.chmod(self.path, MODE)

    def _set_aside(self) -> None:
        endings = itertools.chain([".damaged"], (f".damaged-{n}" for n in itertools.count(2)))
        names = (self.path.with_name(self.path.name + ending) for ending in endings)
        free = next(name for name in names if not name.exists())
        os.replace(self.path, free)
        logger.warning("the outbox %s was damaged: it is set aside as %s", self.path, free.name)

    def keep(self, entry: Unanswered) -> None:
        """Add an entry; the oldest goes where there are too many, the same id is kept once."""

        def write(file: sqlite3.Connection) -> None:
            values = (
                entry.request_id,
                entry.time,
                entry.text,
                entry.lang,
                entry.session_id,
                entry.reason,
            )
            file.execute(f"INSERT OR REPLACE INTO outbox ({_COLUMNS}) VALUES (?,?,?,?,?,?)", values)
            file.execute(
                "DELETE FROM outbox WHERE number NOT IN "
                "(SELECT number FROM outbox ORDER BY number DESC LIMIT ?)",
                (self._max_entries,),
            )

        self._work(write)

    def list(self) -> "list[Unanswered]":
        """Return the entries, oldest first."""
        query = f"SELECT {_COLUMNS} FROM outbox ORDER BY number"
        return self._work(lambda file: [Unanswered(*row) for row in file.execute(query)])

    def find(self, request_id: str) -> Unanswered | None:
        """Return the entry of a request, None where there is none."""
        return next((each for each in self.list() if each.request_id == request_id), None)

    def remove(self, request_id: str) -> bool:
        """Take one entry out; False where there was none."""
        query = "DELETE FROM outbox WHERE request_id = ?"
        return self._work(lambda file: file.execute(query, (request_id,)).rowcount) > 0

    def clear(self) -> int:
        """Take all entries out and return how many there were."""
        return self._work(lambda file: file.execute("DELETE FROM outbox").rowcount)

    def _work(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            with self._lock, self._file() as file, file:
                return work(file)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # A damaged schema may be no text at all; of a damaged row's text no log may tell.
            told = str(error).partition(" with text ")[0]
            raise DataError(
                f"the outbox {self.path} cannot be used ({told}); make room, or delete the file"
            ) from error

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as file:
            file.execute("PRAGMA secure_delete = ON")
            file.execute(_TABLE)
            yield file


def describe(entry: Unanswered) -> dict[str, Any]:
    """Return an entry as `GET /v1/outbox` shows it."""
    return {
        "request_id": entry.request_id,
        "time": entry.time,
        "text": entry.text,
        "lang": entry.lang,
        "session_id": entry.session_id,
        "reason": entry.reason,
    }
