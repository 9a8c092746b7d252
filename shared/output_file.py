"""Files that a command writes: none destroys what is read, and each is there whole or as it was before."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import ConfigurationError


def refuse_same_file(inputs: Iterable[Path], outputs: Iterable[Path | None]) -> None:
    """Raise ConfigurationError where writing an output would destroy an input or another output.

    Links count as what they lead to; None is an output that nobody asked for.
    """
    others = list(inputs)
    for output in outputs:
        if output is None or _is_device(output):
            continue
        for other in others:
            if _is_same_file(output, other):
                raise ConfigurationError(
                    f"{output} and {other} are one file, and writing the one would destroy the "
                    "other; name another file"
                )
        others.append(output)


def prepare_output(path: Path) -> None:
    """Make an output's folder and see that it can be written; what is there stays as it is.

    ConfigurationError where it cannot, so that this is known before the work and not after it.
    """
    try:
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if _is_device(path):  # to open a pipe would already tell its reader of an end
            return
        scratch, _ = _places(path)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(b"")
        scratch.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror or error}); name another file"
        ) from error


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give what takes the file's place once the block is done; a device or pipe is written as it comes.

    An error, or an interruption, leaves what was there before. OSError where it cannot be written.
    """
    if _is_device(path):
        with path.open("wb") as stream:
            yield stream
        return
    scratch, place = _places(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with scratch.open("wb") as stream:
            yield stream
        os.replace(scratch, place)
    finally:
        scratch.unlink(missing_ok=True)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def _is_device(path: Path) -> bool:
    """Return whether something stands there that holds nothing: /dev/stdout, a pipe."""
    return os.path.exists(path) and not os.path.isfile(path)


def _places(path: Path) -> tuple[Path, Path]:
    """Return where a file is written until it is whole, and where it goes: a link stays (/dev/stdout)."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".{place.name}.{os.getpid()}"), place
