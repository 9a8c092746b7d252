"""`GET /v1/edge-bundles/{shadow}`: the bundle that an edge of this service should run, file by file."""

import os
import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from cloud_server.api.examples import BUNDLE_FILE_RESPONSES, BUNDLE_RESPONSES
from shared.bundle import MANIFEST_NAME, BundleManifest, bytes_sha256, read_manifest
from shared.errors import BundleError, NotFound, RangeUnsatisfiable

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
"""One range: a first byte with or without a last one, or how many bytes from the end."""


def edge_bundles_router(bundles: Path) -> APIRouter:
    """Return the routes that serve the bundles in the folder `bundles`, one folder a shadow.

    Files are served with one range, so that a broken-off download can go on; several are answered
    with the whole file.
    """
    router = APIRouter(tags=["dogs"])

    @router.get(
        "/v1/edge-bundles/{shadow}",
        response_model=BundleManifest,
        responses=BUNDLE_RESPONSES,
        summary="Show the bundle that an edge should run",
    )
    def describe_bundle(shadow: str) -> Response:
        folder, _ = _find(bundles, shadow)
        raw = (folder / MANIFEST_NAME).read_bytes()
        headers = {"ETag": f'"{bytes_sha256(raw)}"'}
        return Response(raw, media_type="application/json", headers=headers)

    @router.get(
        "/v1/edge-bundles/{shadow}/files/{name}",
        response_class=FileResponse,
        responses=BUNDLE_FILE_RESPONSES,
        summary="Fetch one file of it, whole or from where a fetch broke off",
    )
    def send_file(shadow: str, name: str, request: Request) -> FileResponse:
        folder, manifest = _find(bundles, shadow)
        if name not in manifest.files:
            raise NotFound(f"the bundle of {shadow} has no file of that name; see its manifest")
        _check_range(request, (folder / name).stat().st_size)
        return FileResponse(folder / name, media_type="application/octet-stream")

    return router


def _check_range(request: Request, size_bytes: int) -> None:
    """Take a Range that means nothing out of the request: the whole file answers it (RFC 9110 §14.2).

    RangeUnsatisfiable for a part behind the file's end; starlette would answer both in plain text.
    """
    if (said := request.headers.get("range")) is None:
        return
    found = _RANGE.fullmatch(said.strip().lower())
    if found and not (found[1] and found[2] and int(found[2]) < int(found[1])):
        first = int(found[1]) if found[1] else size_bytes - int(found[3])
        if first < size_bytes:
            return
        # Whether an If-Range holds is starlette's to say; the whole is right in any case.
        if "if-range" not in request.headers:
            raise RangeUnsatisfiable(
                f"the file has {size_bytes} bytes; no part of it begins at {first}", size_bytes
            )
    del MutableHeaders(scope=request.scope)["range"]


def _find(bundles: Path, shadow: str) -> tuple[Path, BundleManifest]:
    folder = bundles / shadow
    # os.path's answers a name that no folder can have, too long a one, where Path's raises.
    if Path(shadow).name != shadow or shadow.startswith(".") or not os.path.isdir(folder):
        raise NotFound(
            f"no bundle of {shadow[:64]!r} is offered here; make one with `cloud-server export-edge`"
        )
    try:
        return folder, read_manifest(folder, check_files=False)
    except BundleError as error:
        raise NotFound(f"the bundle of {shadow} is not whole here; export it again") from error
