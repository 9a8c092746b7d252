"""HTTPS: the agent's own certificate, tried before anything starts, and who trusts exactly that one."""

import ssl
from pathlib import Path

from shared.errors import ConfigurationError


def check_certificate(certificate: Path, key: Path) -> None:
    """Load both as a server would; ConfigurationError where that fails."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _refuse_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"the certificate {certificate} with the key {key} cannot be used ({error}); set "
            "EDGE_TLS_CERTIFICATE and EDGE_TLS_KEY to PEM files that belong together, without a "
            "password (docs/console.md shows how to make them)"
        ) from error


def trust_only(certificate: Path) -> ssl.SSLContext:
    """Return a client's context that takes this certificate and no other, by whatever name.

    A caller on the agent's own computer says 127.0.0.1, which few certificates name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the leaf itself is what is trusted
    try:
        context.load_verify_locations(cadata=_first_certificate(certificate))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the certificate {certificate} cannot be read ({error}); see EDGE_TLS_CERTIFICATE"
        ) from error
    return context


def _first_certificate(path: Path) -> str:
    """Return the leaf of a PEM file: an issuer behind it would vouch for others, too."""
    end = "-----END CERTIFICATE-----"
    leaf, found, _ = path.read_text(encoding="ascii").partition(end)
    return leaf + found + "\n"


def _refuse_password() -> str:
    raise ValueError("the key has a password")
