"""Bearer keys: kept as digests, compared in constant time, demanded off loopback."""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError

Role = Literal["caller", "admin"]

MINIMUM_KEY_CHARACTERS = 16
"""A digest at rest protects only a key that cannot be guessed."""
_KEY_BYTES = 32
_LINE = re.compile(r"([A-Za-z0-9_.-]{1,64})\s+sha256:([0-9a-f]{64})")
_KEY_FORM = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Key:
    """One key: the name that logs and quotas know it by, what it is for, and its SHA-256."""

    name: str
    role: Role
    digest: bytes


class Keys:
    """All keys of the service; without a caller's key the API is open, which only loopback may be."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)
        self.open = not any(key.role == "caller" for key in self._keys)
        """Whether callers need no key."""
        self.administrable = any(key.role == "admin" for key in self._keys)
        for attribute in ("name", "digest"):
            if len({getattr(key, attribute) for key in self._keys}) < len(self._keys):
                raise ConfigurationError(
                    f"two API keys have the same {attribute}; give each its own"
                )

    @classmethod
    def from_settings(cls, settings: CloudSettings) -> "Keys":
        """Return the keys of list and files together; ConfigurationError for an unreadable file."""
        keys = [
            *_plain_keys("key", settings.api_keys, "caller"),
            *_plain_keys("admin", settings.admin_keys, "admin"),
        ]
        if settings.api_key_file is not None:
            keys += _read_key_file("CLOUD_API_KEY_FILE", settings.api_key_file, "caller")
        if settings.admin_key_file is not None:
            keys += _read_key_file("CLOUD_ADMIN_KEY_FILE", settings.admin_key_file, "admin")
        return cls(keys)

    def find(self, authorization: bytes | None) -> Key | None:
        """Return the key that an Authorization header's value shows, None where it shows none."""
        scheme, _, presented = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(presented.strip()).digest()
        # Every key is compared, so that the time says nothing about which one came close.
        found = [key for key in self._keys if hmac.compare_digest(digest, key.digest)]
        return found[0] if found and scheme.lower() == b"bearer" else None

    def check_bind(self, host: str) -> None:
        """Raise ConfigurationError where an API without keys would be reachable from outside."""
        if not self.open or _is_loopback(host):
            return
        raise ConfigurationError(
            f"without a key only this machine may reach the API, not {host}; "
            "set CLOUD_API_KEYS or CLOUD_API_KEY_FILE, or CLOUD_HOST=127.0.0.1"
        )


def new_key() -> str:
    """Return a fresh random key of 256 bits."""
    return secrets.token_urlsafe(_KEY_BYTES)


def key_line(name: str, key: str) -> str:
    """Return the line of a key file for `key`; ConfigurationError for a wrong name or a weak key.

    SHA-256 without salt is enough for a random key: there is no dictionary to try.
    """
    if len(key) < MINIMUM_KEY_CHARACTERS or not _KEY_FORM.fullmatch(key):
        raise ConfigurationError(
            f"a key has at least {MINIMUM_KEY_CHARACTERS} characters, printable ASCII without "
            "spaces; `cloud-server keys new` makes one"
        )
    line = f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise ConfigurationError("a key's name has 1 to 64 letters, digits, dots, dashes or _")
    return line


def _plain_keys(name: str, keys: Iterable[SecretStr], role: Role) -> list[Key]:
    digests = (hashlib.sha256(key.get_secret_value().encode()).digest() for key in keys)
    return [Key(f"{name}-{number}", role, digest) for number, digest in enumerate(digests, start=1)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_key_file(setting: str, path: Path, role: Role) -> list[Key]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{setting}: {path} cannot be read ({error.__class__.__name__})"
        ) from error
    keys = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:  # the line is not shown: it may be a plain key
            raise ConfigurationError(
                f"{setting}: line {number} of {path} is not `NAME sha256:DIGEST`; "
                "`cloud-server keys hash NAME` turns a plain key into one"
            )
        keys.append(Key(found.group(1), role, bytes.fromhex(found.group(2))))
    if not keys:  # an empty file is a slip, not a wish to be open
        raise ConfigurationError(
            f"{setting}: {path} holds no key; `cloud-server keys new` makes one"
        )
    return keys
