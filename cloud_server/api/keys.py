"""Bearer keys: read from the settings, compared by digest in constant time, demanded off loopback."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError


class Keys:
    """The keys that open the API; none at all leaves it open, which only loopback may be."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    @classmethod
    def from_settings(cls, settings: CloudSettings) -> "Keys":
        """Return the keys of list and file together; ConfigurationError for an unreadable file."""
        keys = [key.get_secret_value() for key in settings.api_keys]
        if settings.api_key_file is not None:
            keys.extend(_read_key_file(settings.api_key_file))
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def open_with(self, authorization: bytes | None) -> bool:
        """Return whether an Authorization header's value opens the API."""
        if not self._digests:
            return True
        scheme, _, presented = (authorization or b"").partition(b" ")
        digest = _digest(presented.strip())
        # Every key is compared, so that the time says nothing about which one came close.
        matches = [hmac.compare_digest(digest, each) for each in self._digests]
        return scheme.lower() == b"bearer" and any(matches)

    def check_bind(self, host: str) -> None:
        """Raise ConfigurationError where an API without keys would be reachable from outside."""
        if self._digests or _is_loopback(host):
            return
        raise ConfigurationError(
            f"without a key only this machine may reach the API, not {host}; "
            "set CLOUD_API_KEYS or CLOUD_API_KEY_FILE, or CLOUD_HOST=127.0.0.1"
        )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_key_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"CLOUD_API_KEY_FILE: {path} cannot be read ({error.__class__.__name__})"
        ) from error
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:  # an empty file is a slip, not a wish to be open
        raise ConfigurationError(f"CLOUD_API_KEY_FILE: {path} holds no key; write one a line")
    return keys
