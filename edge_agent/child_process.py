"""One process of the simulation: started with a log of its own, awaited, and surely ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from shared.errors import ConfigurationError

TAIL_LINES = 15
POLL_S = 0.5
"""How often a child is asked whether it is ready: each question is a line in its log."""
END_S = 8.0
_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG

_C = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildProcess:
    """A Python module run as a process; start it from the main thread, whose end ends it too."""

    def __init__(
        self, name: str, module: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the simulation, which ends its children
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, url: str, timeout_s: float) -> None:
        """Return once `url` answers 200; ConfigurationError with the log's end where it never does."""
        give_up_at = time.monotonic() + timeout_s
        with httpx.Client(trust_env=False, timeout=2.0) as http:
            while True:
                answered = _answers(http, url)
                if not self.alive():  # whoever answers, this process does not
                    raise ConfigurationError(f"the {self.name} has ended.\n{self.describe_end()}")
                if answered:
                    return
                if time.monotonic() > give_up_at:
                    raise ConfigurationError(
                        f"the {self.name} is not ready after {timeout_s:.0f} s.\n"
                        f"{self.describe_end()}"
                    )
                time.sleep(POLL_S)

    def describe_end(self) -> str:
        """Return its exit status and the last lines of its log, for a person."""
        status = self._process.poll()
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        head = f"{self.log} ends" + ("" if status is None else f" (exit status {status})")
        return "\n".join([f"{head}:", *(f"  | {line}" for line in lines)])

    def ask_to_end(self) -> None:
        """Send SIGTERM; the process ends in order."""
        if self.alive():
            self._process.terminate()

    def end(self, timeout_s: float = END_S) -> None:
        """End it in order, or by force after `timeout_s`; nothing of it is left afterwards."""
        self.ask_to_end()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _quietly(lambda: os.killpg(self._process.pid, signal.SIGKILL))
            self._process.wait()


def child_environment(inherited: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the packages are found and no EDGE_ setting but `given`."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [inherited.get("PYTHONPATH")])]
    return {
        **{name: value for name, value in inherited.items() if not name.startswith("EDGE_")},
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        **given,
    }


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _die_with_parent() -> None:
    if _C is not None:
        _C.prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except ProcessLookupError:
        return
