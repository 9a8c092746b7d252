"""Where a command's files may be written."""

import os
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.output_file import prepare_output, refuse_same_file
from shared.report import write_report


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("{}\n")
    return path


def test_an_output_is_no_input_by_whatever_name(data: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    names = [data, tmp_path / "folder" / ".." / data.name, tmp_path / "soft", tmp_path / "hard"]
    names[2].symlink_to(data)
    names[3].hardlink_to(data)
    for name in names:
        with pytest.raises(ConfigurationError, match=r"data\.jsonl are one file"):
            refuse_same_file([data], [None, name])
    refuse_same_file([data, data], [tmp_path / "report.json", None])


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for other in (report, tmp_path / "no-such-folder" / ".." / report.name):
        with pytest.raises(ConfigurationError, match="are one file"):
            refuse_same_file([], [report, other])
    refuse_same_file([], [report, tmp_path / "predictions.jsonl"])


def test_a_device_holds_nothing_that_could_be_destroyed() -> None:
    null = Path(os.devnull)
    refuse_same_file([null], [null, null])
    prepare_output(null)


def test_an_output_is_made_room_for_and_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    prepare_output(path)
    assert list(path.parent.iterdir()) == []
    path.write_text("before")
    prepare_output(path)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(data: Path) -> None:
    for path in (Path("/proc/nope/report.json"), data / "report.json"):
        with pytest.raises(ConfigurationError, match=r"report\.json cannot be written"):
            prepare_output(path)


def test_a_report_goes_where_a_link_leads_and_the_link_stays(tmp_path: Path) -> None:
    link = tmp_path / "stdout"
    link.symlink_to(tmp_path / "report.json")
    write_report(link, {})
    assert link.is_symlink()
    assert (tmp_path / "report.json").read_text() == "{}\n"
