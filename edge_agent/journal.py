"""The edge's journal: one outcome a line, appended, readable by its owner only."""

import os
import threading
from pathlib import Path

from shared.errors import ConfigurationError
from shared.outcome import Outcome

MODE = 0o600
MAX_BYTES = 32 * 1024 * 1024


class Journal:
    """Appends outcomes as JSON Lines; a full file becomes `<name>.1`, replacing the older one."""

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
        # One write in append mode, so that two processes never tear each other's lines.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
        try:
            os.fchmod(descriptor, MODE)
            if line:
                os.write(descriptor, line)
        finally:
            os.close(descriptor)
