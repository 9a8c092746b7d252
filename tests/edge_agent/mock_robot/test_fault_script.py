"""Faults by script: read, checked before the dog starts, and switched when their time comes."""

from pathlib import Path

import pytest

from edge_agent.mock_robot.dog import MockDog
from edge_agent.mock_robot.fault_script import read_fault_script
from shared.errors import DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def on(dog: MockDog) -> list[str]:
    dog.state()
    return [entry["fault"] for entry in dog.faults.describe() if entry["on"]]


def test_faults_come_and_go_at_their_times(tmp_path):
    script = read_fault_script(
        write(
            tmp_path,
            '# a bad link, then none\n{"at_s": 4, "fault": "slow", "on": false}\n\n'
            '{"at_s": 2, "fault": "slow", "delay_s": 0.5}\n{"at_s": 3, "fault": "silent"}\n',
        )
    )
    assert [switch.at_s for switch in script] == [2.0, 3.0, 4.0]
    now = [50.0]
    dog = MockDog(clock=lambda: now[0], speed=2.0)
    dog.plan(script)
    seen = []
    for at in (50.9, 51.1, 51.6, 52.1):  # twice as fast: 1.8, 2.2, 3.2 and 4.2 s of its own time
        now[0] = at
        seen.append(on(dog))
    assert seen == [[], ["slow"], ["slow", "silent"], ["silent"]]
    assert dog.delay_s() == 0.0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"fault": "slow"}', ":1: at_s"),
        ('{"at_s": -1, "fault": "slow"}', ":1: at_s"),
        ('{"at_s": 1, "fault": "gremlins"}', ":1: no such fault"),
        ('{"at_s": 1, "fault": "slow", "delay_s": 0}', ":1: slow.delay_s"),
        ("not json", ":1: "),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, words):
    with pytest.raises(DataError, match=words):
        read_fault_script(write(tmp_path, line))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_fault_script(tmp_path / "none.jsonl")
