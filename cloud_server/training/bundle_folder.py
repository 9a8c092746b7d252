"""Where a bundle is written: a folder of something else is refused, an older bundle replaced whole."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.bundle import MANIFEST_NAME
from shared.errors import ConfigurationError


def refuse_folder(target: Path, adapter: Path) -> None:
    """Raise ConfigurationError where a bundle of `adapter` at `target` would delete something else.

    A bundle gives way even if this version, or this catalogue, cannot use it.
    """
    if adapter.resolve().is_relative_to(target.resolve()):
        raise ConfigurationError(
            f"{target} holds the shadow that is exported, {adapter}; choose another --out"
        )
    if target.exists() and any(target.iterdir()) and not _holds_bundle(target):
        raise ConfigurationError(
            f"{target} is not empty and holds no bundle, which alone is replaced; choose another "
            "--out, or empty the folder"
        )


def _holds_bundle(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "fingerprint" in manifest


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block is done.

    An error or an interruption leaves the old one or the new one there, never a part.
    """
    target = target.resolve()  # where a link leads is replaced, not the link
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=".bundle-") as scratch:
        made, old = Path(scratch) / "new", Path(scratch) / "old"
        made.mkdir()
        yield made
        try:
            if target.exists():
                target.rename(old)
            made.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.replace(target)
            raise
