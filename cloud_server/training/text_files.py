"""Text files in pieces: read as they stream, however large, with the file and line of what is wrong."""

import codecs
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shared.errors import DataError

READ_BYTES = 1 << 20
PIECE_CHARACTERS = 1 << 16
LONGEST_PIECE = 1 << 20
SUFFIXES = (".txt", ".md", ".jsonl")

Observer = Callable[[bytes], None]


def find_files(given: Sequence[Path]) -> list[Path]:
    """Return the files of `given`, folders searched for .txt, .md and .jsonl, in the order of names.

    DataError for what does not exist, a folder without text, and a file that is given twice.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
            if not inside:
                raise DataError(f"{path} holds no {', '.join(SUFFIXES)} file")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise DataError(f"there is no text file or folder {path}")
    if twice := {str(path) for path in found if found.count(path) > 1}:
        raise DataError(f"text files given twice: {', '.join(sorted(twice))}")
    return found


def read_lines(path: Path, observe: Observer) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of a UTF-8 file; a line over 1 MiB comes in parts.

    `observe` sees every byte. DataError names the file and line of what is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    number = 1
    try:
        with path.open("rb") as stream:
            while raw := stream.readline(READ_BYTES):
                observe(raw)
                text = decoder.decode(raw)
                yield number, text.removeprefix("\ufeff") if number == 1 else text
                number += raw.endswith(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8: {error.reason}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_pieces(path: Path, separator: str | None, observe: Observer) -> Iterator[str | None]:
    """Yield a file's text in pieces, None after each document; blank documents are left out.

    A .jsonl file has one document a line, in its "text"; another file is one document, or several
    with `separator` lines between them. A piece of 64 Ki characters or more ends before a line that
    begins with a visible character, so that no token would have spanned the cut.
    """
    jsonl = path.suffix == ".jsonl"
    pieces = _read_rows(path, observe) if jsonl else _cut_lines(path, separator, observe)
    opened = False
    for piece in pieces:
        if piece is None:
            if opened:
                yield None
            opened = False
        elif opened or piece.strip():
            opened = True
            yield piece


def _cut_lines(path: Path, separator: str | None, observe: Observer) -> Iterator[str | None]:
    piece: list[str] = []
    size = 0
    for _, line in read_lines(path, observe):
        ends = separator is not None and line.rstrip("\r\n") == separator
        long = size >= PIECE_CHARACTERS and not line[:1].isspace()
        if ends or long or size >= LONGEST_PIECE:
            yield "".join(piece)
            piece, size = [], 0
        if ends:
            yield None
        else:
            piece.append(line)
            size += len(line)
    yield "".join(piece)
    yield None


def _read_rows(path: Path, observe: Observer) -> Iterator[str | None]:
    parts: list[str] = []
    number = 0
    for number, part in read_lines(path, observe):
        parts.append(part)
        if part.endswith("\n"):
            yield from _row_document(path, number, "".join(parts))
            parts = []
    yield from _row_document(path, number, "".join(parts))


def _row_document(path: Path, number: int, row: str) -> Iterator[str | None]:
    if not row.strip():
        return
    try:
        text = json.loads(row)["text"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f'{path}:{number}: not a JSON object with a "text"') from error
    if not isinstance(text, str):
        raise DataError(f'{path}:{number}: "text" is no string')
    yield text
    yield None
