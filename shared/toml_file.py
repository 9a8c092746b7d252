"""Reading TOML files, whatever they hold."""

import sys
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return what a TOML file holds; ConfigurationError where it cannot be read or is no TOML.

    what: the kind of file, for the message.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return raw
    except OSError as error:
        raise ConfigurationError(f"{what} {path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{what} {path} is wrong: {error}") from error
