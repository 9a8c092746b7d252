"""`POST /v1/shadows`, `DELETE /v1/shadows/{name}`: shadows come and go while requests run."""

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import Field

from cloud_server.api.examples import (
    SHADOW_EXAMPLES,
    SHADOW_LOAD_RESPONSES,
    SHADOW_UNLOAD_RESPONSES,
)
from cloud_server.api.service import Service
from shared.errors import Forbidden, NotFound
from shared.messages import Reply, Request

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"


class ShadowRequest(Request):
    """`directory` is relative to the service's own folder of shadows; default: its name."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    directory: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


class ShadowReply(Reply):
    """`state`: what has become of the shadow."""

    name: str
    state: str


def shadows_router(service: Service, root: Path | None) -> APIRouter:
    """Return the routes of the administrator; shadows are read from below `root` only."""
    router = APIRouter(tags=["administration"])

    @router.post(
        "/v1/shadows",
        status_code=201,
        responses=SHADOW_LOAD_RESPONSES,
        summary="Serve another shadow of the base",
    )
    async def load_shadow(
        body: Annotated[ShadowRequest, Body(openapi_examples=SHADOW_EXAMPLES)],
    ) -> ShadowReply:
        """Requests go on meanwhile; the shadow is served under its name once this is answered."""
        assert service.engine.served is not None  # Busy while the base is loading
        directory = await asyncio.to_thread(_find, root, body.directory or body.name)
        await _finish(service.engine.load_shadow(body.name, directory))
        return ShadowReply(name=body.name, state="loaded")

    @router.delete(
        "/v1/shadows/{name}",
        responses=SHADOW_UNLOAD_RESPONSES,
        summary="Serve a shadow no longer",
    )
    async def unload_shadow(name: str) -> ShadowReply:
        """Refused with 409 while an answer of it is under way, and for the default shadow."""
        assert service.engine.served is not None
        await _finish(service.engine.unload_shadow(name))
        return ShadowReply(name=name, state="unloaded")

    return router


async def _finish(change: "Future[None]") -> None:
    """Wait for the owner thread; it goes through with the change whether anybody waits or not."""
    await asyncio.shield(asyncio.wrap_future(change))


def _find(root: Path | None, directory: str) -> Path:
    """Return the folder meant; Forbidden outside `root`, links followed, NotFound where none is."""
    if root is None:
        raise Forbidden("no shadow may be loaded here; set CLOUD_SHADOWS_DIRECTORY")
    try:
        resolved_root = root.resolve()
        found = (resolved_root / directory).resolve()
        is_there = found.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name that no file can have
        raise NotFound("body.directory: no such folder") from None
    if not found.is_relative_to(resolved_root):
        raise Forbidden("body.directory: leads out of the folder of shadows")
    if not is_there:
        raise NotFound("body.directory: no such folder")
    return found
