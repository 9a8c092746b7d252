"""The outbox: bounded, for its owner alone, whole again after damage, and on the command line."""

import ast
import contextlib
import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli import main
from edge_agent.outbox import MAX_TEXT_CHARACTERS, Outbox, Unanswered
from shared.errors import ConfigurationError, DataError


def entry(number: int, text: str = "天气怎么样") -> Unanswered:
    return Unanswered(f"q-{number}", "2026-01-01T00:00:00Z", text, "zh", "s", "cloud_timeout")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    box = Outbox(tmp_path / "state" / "outbox.sqlite3", max_entries=3)
    box.open()
    return box


def test_the_last_entries_are_kept_in_order(outbox: Outbox) -> None:
    for number in range(5):
        outbox.keep(entry(number))
    assert outbox.list() == [entry(2), entry(3), entry(4)]
    outbox.keep(entry(3))  # the same request failed again
    assert [each.request_id for each in outbox.list()] == ["q-2", "q-4", "q-3"]
    assert outbox.find("q-4") == entry(4)
    assert outbox.find("q-0") is None


def test_what_is_cleared_leaves_no_trace_in_the_file(outbox: Outbox) -> None:
    outbox.keep(entry(1, "where is my secret cake"))
    assert b"secret cake" in outbox.path.read_bytes()
    assert outbox.remove("q-1")
    assert not outbox.remove("q-1")
    outbox.keep(entry(2, "another secret"))
    assert outbox.clear() == 1
    assert outbox.list() == []
    assert b"secret" not in outbox.path.read_bytes()


def test_it_is_for_its_owner_alone(outbox: Outbox) -> None:
    assert stat.S_IMODE(outbox.path.stat().st_mode) == 0o600
    outbox.path.chmod(0o644)
    outbox.open()
    assert stat.S_IMODE(outbox.path.stat().st_mode) == 0o600


def test_it_outlives_its_process(outbox: Outbox) -> None:
    outbox.keep(entry(1))
    assert Outbox(outbox.path).list() == [entry(1)]


def test_a_damaged_file_is_set_aside(outbox: Outbox) -> None:
    outbox.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="delete the file"):
        outbox.list()
    outbox.open()
    assert outbox.list() == []
    assert outbox.path.with_name("outbox.sqlite3.damaged").exists()


def test_what_was_set_aside_before_stays_and_the_log_tells_where(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    kept = [b"first damage" * 100, b"second damage" * 100, b"third damage" * 100]
    for damage in kept:
        outbox.path.write_bytes(damage)
        outbox.open()
    names = ["outbox.sqlite3.damaged", "outbox.sqlite3.damaged-2", "outbox.sqlite3.damaged-3"]
    assert [outbox.path.with_name(name).read_bytes() for name in names] == kept
    assert [each.getMessage().rpartition(" ")[2] for each in caplog.records] == names
    assert stat.S_IMODE(outbox.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE outbox RENAME COLUMN reason TO other",
        "UPDATE outbox SET text = CAST(X'7365637265747FFF' AS TEXT)",
    ],
    ids=["column", "text"],
)
def test_a_table_that_cannot_be_read_is_set_aside(
    outbox: Outbox, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.keep(entry(1))
    with contextlib.closing(sqlite3.connect(outbox.path)) as file, file:
        file.execute(damage)
    with pytest.raises(DataError) as refused:
        outbox.list()
    assert "secret" not in refused.value.message  # it is logged where keeping fails
    outbox.open()
    outbox.keep(entry(2))
    assert outbox.list() == [entry(2)]
    assert outbox.path.with_name("outbox.sqlite3.damaged").exists()
    assert "secret" not in caplog.text


def test_a_file_whose_damage_is_no_text_is_set_aside(outbox: Outbox) -> None:
    content = outbox.path.read_bytes()
    outbox.path.write_bytes(content.replace(b"TEXT NOT NULL", b"TEXT NOT \x98ULL"))
    outbox.open()
    assert outbox.list() == []
    assert outbox.path.with_name("outbox.sqlite3.damaged").exists()


def test_a_file_that_another_holds_at_the_start_is_in_use_and_stays(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.outbox.WAIT_S", 0.01)
    outbox.keep(entry(1))
    with contextlib.closing(sqlite3.connect(outbox.path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigurationError, match="in use by another process"):
            outbox.open()
    assert outbox.list() == [entry(1)]
    assert [each.name for each in outbox.path.parent.iterdir()] == [outbox.path.name]


@pytest.mark.parametrize(
    "failure", ["database or disk is full", "disk I/O error", "unable to open database file"]
)
def test_a_disk_that_fails_at_the_start_takes_no_file_away(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    def connect(path: Path, timeout: float) -> None:
        raise sqlite3.OperationalError(failure)

    outbox.keep(entry(1))
    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.connect", connect)
        with pytest.raises(ConfigurationError, match=failure):
            outbox.open()
    assert outbox.list() == [entry(1)]


def test_a_place_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="EDGE_OUTBOX"):
        Outbox(Path("/proc/shadowdog/outbox.sqlite3")).open()


def test_a_file_that_another_holds_is_an_error_not_a_wait_for_ever(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.outbox.WAIT_S", 0.01)
    holder = sqlite3.connect(outbox.path)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DataError, match="locked"):
        outbox.keep(entry(1))
    holder.close()


def test_a_disk_that_is_full_is_an_error_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from edge_agent.outbox import Outbox
from shared.errors import DataError
from tests.edge_agent.test_outbox import entry
outbox = Outbox(Path({str(tmp_path / "outbox.sqlite3")!r}))
outbox.open()
outbox.keep(entry(0))
size = outbox.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
for number in range(1, 9):
    try:
        outbox.keep(entry(number, "long " * 400))
    except DataError as error:
        print("refused:", error.message)
print([each.request_id for each in outbox.list()])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
outbox.keep(entry(9))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *refusals, listed = done.stdout.splitlines()
    assert refusals
    assert all("make room" in line for line in refusals)
    kept = Outbox(tmp_path / "outbox.sqlite3").list()
    assert [each.request_id for each in kept] == [*ast.literal_eval(listed), "q-9"]
    assert kept[0] == entry(0)
    assert len(kept) == 10 - len(refusals)


def test_the_command_line_shows_and_clears(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_OUTBOX", str(outbox.path))
    outbox.keep(entry(1, "a\x1b[2Jb"))
    run = CliRunner().invoke
    shown = run(main, ["outbox", "list"])
    assert (shown.exit_code, "q-1" in shown.output) == (0, True)
    assert "\x1b" not in shown.output  # what was said cannot steer the terminal
    [listed] = json.loads(run(main, ["outbox", "list", "--json"]).output)
    assert listed["text"] == "a\x1b[2Jb"
    assert json.loads(run(main, ["outbox", "clear", "--json"]).output) == {"cleared": 1}
    assert "nothing waits" in run(main, ["outbox", "list"]).output


def test_the_command_line_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_OUTBOX", str(tmp_path / "none"))
    assert "0 cleared" in CliRunner().invoke(main, ["outbox", "clear"]).output
    assert not (tmp_path / "none").exists()


def test_a_long_text_keeps_the_end_that_the_models_read() -> None:
    assert MAX_TEXT_CHARACTERS == 1600
