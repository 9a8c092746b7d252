"""Text streams in pieces that lose nothing, and what is wrong in it is named by file and line."""

import itertools
import json
from pathlib import Path

import pytest

from cloud_server.training import text_files
from cloud_server.training.text_files import find_files, read_pieces
from shared.errors import DataError


def documents(path: Path, separator: str | None = None) -> list[list[str]]:
    """Return the pieces of each document."""
    found: list[list[str]] = [[]]
    for piece in read_pieces(path, separator, lambda raw: None):
        if piece is None:
            found.append([])
        else:
            found[-1].append(piece)
    assert found.pop() == [], "every document is closed"
    return found


def test_pieces_join_to_the_text_and_end_where_a_line_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "PIECE_CHARACTERS", 20)
    text = "".join(f"line {number}\n\n    indented {number}\n" for number in range(9)) + "no end"
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (pieces,) = documents(path)
    assert "".join(pieces) == text, "nothing is lost but the byte order mark"
    assert len(pieces) > 5
    assert all(
        piece.endswith("\n") and not nxt[0].isspace() for piece, nxt in itertools.pairwise(pieces)
    )


def test_a_line_longer_than_a_reading_is_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "READ_BYTES", 7)
    monkeypatch.setattr(text_files, "LONGEST_PIECE", 30)
    path = tmp_path / "long.txt"
    text = "狗哥跳舞" * 40
    path.write_text(text, encoding="utf-8")
    (pieces,) = documents(path)
    assert "".join(pieces) == text, "characters that a reading cuts apart are joined"
    assert max(map(len, pieces)) < 40
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"text": text}, ensure_ascii=False) + "\n\n" + '{"text": "last"}')
    assert documents(rows) == [[text], ["last"]]


def test_a_separator_line_ends_a_document_and_blank_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "many.md"
    path.write_bytes(b"one\n---\r\n---\n \n---\ntwo\n--- not\n")
    assert documents(path, "---") == [["one\n"], ["two\n--- not\n"]]
    assert len(documents(path)) == 1


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.txt", b"fine\nfine\nbad \xff here\n", r"a\.txt:3: not UTF-8"),
        ("cut.txt", "fine\n狗".encode()[:-1], r"cut\.txt:2: not UTF-8"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', r"a\.jsonl:2: not a JSON object"),
        ("b.jsonl", b'{"words": "none"}\n', r"b\.jsonl:1: not a JSON object"),
        ("c.jsonl", b'\n["text"]', r"c\.jsonl:2: not a JSON object"),
        ("d.jsonl", b'{"text": 3}\n', r"d\.jsonl:1: .* no string"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(
    tmp_path: Path, name: str, raw: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(DataError, match=said):
        documents(tmp_path / name)


def test_folders_are_searched_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.txt", "inner/a.jsonl", "a.md", "c.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    names = [str(path.relative_to(tmp_path)) for path in find_files([tmp_path])]
    assert names == ["a.md", "b.txt", "inner/a.jsonl"]
    assert find_files([tmp_path / "c.bin"]) == [tmp_path / "c.bin"], "a file that is named is read"
    with pytest.raises(DataError, match="no text file or folder"):
        find_files([tmp_path / "none"])
    with pytest.raises(DataError, match="twice"):
        find_files([tmp_path, tmp_path / "a.md"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no"):
        find_files([tmp_path / "empty"])
