"""`GET /v1/edge-bundles/{shadow}`: the bundle that an edge of this service should run, file by file."""

import os
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import Response

from cloud_server.api.examples import BUNDLE_FILE_RESPONSES, BUNDLE_RESPONSES
from shared.bundle import MANIFEST_NAME, BundleManifest, bytes_sha256, read_manifest
from shared.errors import BundleError, NotFound


def edge_bundles_router(bundles: Path) -> APIRouter:
    """Return the routes that serve the bundles in the folder `bundles`, one folder a shadow.

    Files are served with ranges, so that a broken-off download can go on.
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
    def send_file(shadow: str, name: str) -> FileResponse:
        folder, manifest = _find(bundles, shadow)
        if name not in manifest.files:
            raise NotFound(f"the bundle of {shadow} has no file of that name; see its manifest")
        return FileResponse(folder / name, media_type="application/octet-stream")

    return router


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
