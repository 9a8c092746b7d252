"""Pulling a bundle from the cloud: resumed where it broke off, digest by digest, whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import ValidationError

from edge_agent.bundles.self_test import load_checked
from edge_agent.bundles.store import BundleStore
from edge_agent.cloud_client import authorization, checked_address, trusted
from edge_agent.provider import ProviderOptions
from shared.bundle import MANIFEST_NAME, BundleFile, BundleManifest, bytes_sha256, file_sha256
from shared.errors import BundleError, CloudProtocolError, CloudRefused, CloudUnreachable
from shared.messages import ErrorBody

MAX_MANIFEST_BYTES = 4 << 20
MAX_ERROR_BYTES = 16 << 10
TIMEOUT_S = 30.0
ATTEMPTS = 5
"""How often one file is asked for before a connection that breaks is an error."""

Progress = Callable[[str, int, int], None]
"""Gets a file's name, the bytes that are here and the bytes that it has."""


@dataclass(frozen=True)
class Offer:
    """The bundle that a cloud offers for a shadow: its manifest, and the very bytes of it."""

    path: str
    manifest: BundleManifest
    raw: bytes


class BundleSource:
    """`/v1/edge-bundles` of a cloud; close it when done. `transport` replaces the network in tests.

    ConfigurationError for an address, a key or certificates that cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        certificates: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        address = checked_address(url)
        self._http = httpx.Client(
            base_url=address,
            headers={"Accept-Encoding": "identity", **authorization(api_key)},
            timeout=timeout_s,
            verify=trusted(address, certificates),
            trust_env=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def offer(self, shadow: str) -> Offer:
        """Return what the cloud offers; CloudUnreachable, CloudRefused or CloudProtocolError."""
        path = f"/v1/edge-bundles/{shadow}"
        with self._answer(path, {}) as response:
            raw = b""
            for block in response.iter_bytes():
                raw += block
                if len(raw) > MAX_MANIFEST_BYTES:
                    raise CloudProtocolError("the cloud's manifest is too large to be one")
        try:
            return Offer(path, BundleManifest.model_validate_json(raw), raw)
        except ValidationError as error:
            raise CloudProtocolError(
                f"what the cloud offers is no bundle of this version ({error.errors()[0]['msg']})"
            ) from error

    def fetch(self, offer: Offer, name: str, target: Path, progress: Progress) -> None:
        """Bring `target` to the size that the offer states, going on from where it ends."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._fetch_rest(offer, name, target, progress)
                return
            except CloudUnreachable:
                if attempt == ATTEMPTS:
                    raise

    def _fetch_rest(self, offer: Offer, name: str, target: Path, progress: Progress) -> None:
        wanted = offer.manifest.files[name].size_bytes
        here = target.stat().st_size if target.exists() else 0
        if here > wanted:
            target.unlink()
            here = 0
        if here == wanted:
            target.touch()
            return
        headers = {"Range": f"bytes={here}-"} if here else {}
        with self._answer(f"{offer.path}/files/{name}", headers) as response:
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            here = here if resumed else 0
            with target.open("ab" if resumed else "wb") as stream:
                for block in response.iter_bytes():
                    here += len(block)
                    if here > wanted:
                        raise CloudProtocolError(f"the cloud sends more of {name} than it stated")
                    stream.write(block)
                    progress(name, here, wanted)
        if here < wanted:
            raise CloudUnreachable(f"the connection broke off in {name}; pull again to go on")

    @contextmanager
    def _answer(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                if not response.is_success:
                    raise CloudRefused(_reason(response))
                yield response
        except httpx.TransportError as error:
            raise CloudUnreachable(
                f"no connection to the cloud at {self._http.base_url} ({type(error).__name__})"
            ) from error


def _reason(response: httpx.Response) -> str:
    text = b""
    for block in response.iter_bytes():
        text += block
        if len(text) > MAX_ERROR_BYTES:
            break
    try:
        body = ErrorBody.model_validate_json(text)
    except ValidationError:
        return f"the cloud answered {response.status_code} without saying why"
    return f"the cloud answered {response.status_code}: {body.message[:300]} ({body.code[:64]})"


def pull_bundle(
    source: BundleSource,
    shadow: str,
    store: BundleStore,
    *,
    manifest_sha256: str | None = None,
    options: ProviderOptions | None = None,
    progress: Progress = lambda name, here, size: None,
) -> Path:
    """Install the bundle that the cloud offers for `shadow` and return its folder; not yet used.

    What a broken-off pull has brought is kept and gone on from. Every file is checked against the
    manifest, and the bundle must pass its self-test on this machine. One that is installed already is
    brought again only where a file of it is damaged, and stays until the new one is whole.
    manifest_sha256: the manifest must be this one, whoever sends it (BundleError).
    """
    offer = source.offer(shadow)
    offered_sha256 = bytes_sha256(offer.raw)
    if manifest_sha256 is not None and offered_sha256 != manifest_sha256.lower():
        raise BundleError(
            f"the cloud offers the manifest {offered_sha256}, not the one asked for; "
            "nothing was pulled"
        )
    folder = store.place(offer.manifest, offered_sha256)
    if _holds(folder, offer):
        load_checked(folder, options)
        store.forget_partial(offer.manifest)
        return folder
    partial = store.partial(offer.manifest)
    for name, file in offer.manifest.files.items():
        source.fetch(offer, name, partial / name, progress)
        _check(partial / name, file)
    (partial / MANIFEST_NAME).write_bytes(offer.raw)
    load_checked(partial, options)
    return store.adopt(partial)


def _holds(folder: Path, offer: Offer) -> bool:
    """Return whether the offered bundle lies in `folder`, each file of it whole."""
    try:
        return (folder / MANIFEST_NAME).read_bytes() == offer.raw and all(
            file_sha256(folder / name) == file.sha256 for name, file in offer.manifest.files.items()
        )
    except OSError:
        return False


def _check(path: Path, file: BundleFile) -> None:
    if file_sha256(path) != file.sha256:
        path.unlink()  # so that the next pull brings it anew
        raise BundleError(f"{path.name} came with a wrong digest and was thrown away; pull again")
