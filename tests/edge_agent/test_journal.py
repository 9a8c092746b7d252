"""The journal: appended, for its owner alone, and after a crash short of its last line at most."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.journal import Journal
from shared.errors import ConfigurationError
from shared.outcome import Outcome, now_rfc3339

WRITER = """
import sys
from pathlib import Path
from edge_agent.journal import Journal
from tests.edge_agent.test_journal import outcome
journal = Journal(Path(sys.argv[1]))
journal.open()
number = 0
while True:
    journal.write(outcome(number))
    print(number, flush=True)
    number += 1
"""


def outcome(number: int, text: str = "坐下" * 200) -> Outcome:
    return Outcome(
        request_id=f"q-{number}",
        time=now_rfc3339(),
        source="text",
        text=text,
        lang="zh",
        route="edge",
        tag="[Sit()]",
    )


def read(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text("utf-8").splitlines() if line]


def test_lines_are_appended_for_the_owner_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "journal.jsonl")
    journal.open()
    for number in range(3):
        journal.write(outcome(number))
    assert read(journal.path) == ["q-0", "q-1", "q-2"]
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_full_file_gives_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", max_bytes=4000)
    for number in range(8):
        journal.write(outcome(number))
    kept = [*read(tmp_path / "journal.jsonl.1"), *read(journal.path)]
    assert kept == [f"q-{number}" for number in range(8 - len(kept), 8)]
    assert journal.path.stat().st_size <= 4000


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(outcome(0))
    with journal.path.open("ab") as stream:
        stream.write(b'{"request_id": "q-1", "ti')  # a crash in the middle of a write
    journal.write(outcome(2))
    whole, torn, next_whole = journal.path.read_text("utf-8").splitlines()
    assert json.loads(whole)["request_id"] == "q-0"
    assert torn.startswith('{"request_id": "q-1"')
    assert json.loads(next_whole)["request_id"] == "q-2"


def test_a_killed_process_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        told = -1
        for line in writer.stdout:
            told = int(line)
            if told >= 20:
                break
        writer.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in writer.stdout)])
        writer.wait()
        # Each line that the writer knew of is there; one more may be, since it could not tell.
        lines = path.read_text("utf-8").splitlines()
        kept = [json.loads(line)["request_id"] for line in lines]
        mine = kept[len(kept) - kept[::-1].index("q-0") - 1 :]
        assert mine[: told + 1] == [f"q-{number}" for number in range(told + 1)]
        assert len(mine) <= told + 2


def test_a_disk_that_is_full_is_an_error_and_the_journal_goes_on_after_it(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from edge_agent.journal import Journal
from tests.edge_agent.test_journal import outcome
journal = Journal(Path({str(tmp_path / "journal.jsonl")!r}))
journal.write(outcome(0))
size = journal.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    journal.write(outcome(1))
except OSError as error:
    print("refused:", error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.write(outcome(2))
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "refused: File too large" in done.stdout
    first, torn, last = (tmp_path / "journal.jsonl").read_bytes().splitlines()
    assert json.loads(first)["request_id"] == "q-0"
    assert len(torn) == 100
    assert json.loads(last)["request_id"] == "q-2"


def test_a_place_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="EDGE_JOURNAL"):
        Journal(Path("/proc/shadowdog/journal.jsonl")).open()


def test_two_processes_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        for _ in range(30):
            writer.stdout.readline()
    for writer in writers:
        os.kill(writer.pid, signal.SIGTERM)
        writer.communicate()
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) >= 60
    assert all(json.loads(line) for line in lines[:-2])
