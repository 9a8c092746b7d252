"""The edge's journal: one outcome a line, appended, readable by its owner only."""

import os
import threading
from pathlib import Path

from shared.errors import ConfigurationError
from shared.outcome import Outcome

MODE = 0o600
MAX_BYTES = 32 * 1024 * 1024


class Journal:
    """Appends outcomes as JSON Lines; a full file becomes `<name>.1`, replacing the older one.

    A line is on the disk when `write` returns, so that a crash, of the computer too, costs at most
    the line being written; what it leaves of that line stands on a line of its own.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def open(self) -> None:
        """Create the file; ConfigurationError where that is impossible."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._append(b"")
        except OSError as error:
            raise ConfigurationError(
                f"the journal {self.path} cannot be written ({error}); set EDGE_JOURNAL"
            ) from error

    def write(self, outcome: Outcome) -> None:
        """Append one outcome; blocks on the disk; OSError where that fails."""
        line = outcome.model_dump_json().encode() + b"\n"
        with self._lock:
            if self.path.exists() and self.path.stat().st_size + len(line) > self._max_bytes:
                os.replace(self.path, self.path.with_name(self.path.name + ".1"))
            self._append(line)

    def _append(self, line: bytes) -> None:
        # Append mode, so that two processes never tear each other's lines.
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, MODE)
        try:
            os.fchmod(descriptor, MODE)
            if line:
                _write_whole(descriptor, line if _ends_a_line(descriptor) else b"\n" + line)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _ends_a_line(descriptor: int) -> bool:
    """Return whether the file ends as it should; a crash or a full disk may have torn its last line."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:  # a disk that fills up takes a part first and says so the next time
        data = data[os.write(descriptor, data) :]
