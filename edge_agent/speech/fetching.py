"""Fetching a speech model from a Hugging Face hub: with progress, gone on with, checked, whole or not at all."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from edge_agent.speech.model_files import ModelFile, SpeechModel, model_directory
from shared.bundle import file_sha256
from shared.errors import SpeechUnavailable

DEFAULT_HUB = "https://huggingface.co"
TIMEOUT_S = 30.0
DIGEST_HEADER = "X-Linked-Etag"
"""The hub's own SHA-256 of a large file."""
_SHA256 = re.compile(r'^"?([0-9a-f]{64})"?$')

Progress = Callable[[str, int, int | None], None]
"""Gets a file's name, the bytes that are here, and the bytes that it has where that is known."""


class Hub:
    """A hub's files over HTTP; close it when done. `transport` replaces the network in tests."""

    def __init__(
        self, url: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = (url or os.environ.get("HF_ENDPOINT") or DEFAULT_HUB).rstrip("/")
        self._http = httpx.Client(
            timeout=TIMEOUT_S, transport=transport, headers={"Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def digest(self, model: SpeechModel, file: ModelFile) -> str | None:
        """Return the digest that the file must have: this project's, else the hub's word for it."""
        if file.sha256 is not None:
            return file.sha256
        try:
            answer = self._http.head(self._address(model, file))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        found = _SHA256.match(answer.headers.get(DIGEST_HEADER, ""))
        return found.group(1) if found else None

    def fetch(self, model: SpeechModel, file: ModelFile, target: Path, progress: Progress) -> None:
        """Bring a file whole to `target`, going on from where it ends."""
        here = target.stat().st_size if target.exists() else 0
        headers = {"Range": f"bytes={here}-"} if here else {}
        with self._answer(self._address(model, file), headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # it is here already; its digest will tell
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            here = here if resumed else 0
            length = response.headers.get("Content-Length", "")
            wanted = here + int(length) if length.isdigit() else file.size_bytes
            with target.open("ab" if resumed else "wb") as stream:
                for block in response.iter_bytes():
                    stream.write(block)
                    here += len(block)
                    progress(file.name, here, wanted)
        if wanted is not None and here != wanted:
            raise SpeechUnavailable(f"the connection broke off in {file.name}; pull again to go on")

    def _address(self, model: SpeechModel, file: ModelFile) -> str:
        return f"{self.url}/{model.repository}/resolve/{model.revision}/{file.name}"

    @contextmanager
    def _answer(self, address: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(
                "GET", address, headers=headers, follow_redirects=True
            ) as response:
                unsatisfiable = httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
                if not response.is_success and response.status_code != unsatisfiable:
                    raise SpeechUnavailable(f"{address} answers {response.status_code}")
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> SpeechUnavailable:
        return SpeechUnavailable(
            f"no connection to {self.url} ({type(error).__name__}); set HF_ENDPOINT to a mirror, or "
            "copy the files there yourself and set EDGE_SPEECH_MODEL"
        )


def fetch_model(hub: Hub, model: SpeechModel, progress: Progress) -> Path:
    """Fetch a model into the cache and return its folder; SpeechUnavailable where it cannot be had.

    What a broken-off fetch has brought is kept and gone on from.
    """
    folder = model_directory(model)
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for file in model.files:
            target = partial / file.name
            digest = hub.digest(model, file)
            if not (target.exists() and digest is not None and file_sha256(target) == digest):
                hub.fetch(model, file, target, progress)
            if digest is not None and file_sha256(target) != digest:
                target.unlink()
                raise SpeechUnavailable(
                    f"{file.name} came with a wrong digest and was thrown away; pull again"
                )
        if folder.exists():
            for each in folder.iterdir():
                each.unlink()
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise SpeechUnavailable(
            f"{folder} cannot be written ({error.strerror or error}); set SHADOWDOG_CACHE"
        ) from error
    return folder
