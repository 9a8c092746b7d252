"""`GET /v1/models`: the names that requests may use, as OpenAI lists them."""

import time

from fastapi import APIRouter

from cloud_server.api.chat_messages import ServedModelCard, ServedModelList
from cloud_server.api.examples import MODEL_RESPONSES, MODELS_RESPONSES
from cloud_server.api.service import Service
from cloud_server.engine import ServedName
from shared.errors import NotFound


def models_router(service: Service) -> APIRouter:
    """Return the routes that list what the service's engine serves."""
    router = APIRouter(tags=["OpenAI"])
    created = int(time.time())

    def card(served: ServedName) -> ServedModelCard:
        return ServedModelCard(
            id=served.name, created=created, kind=served.kind, default=served.default
        )

    @router.get("/v1/models", responses=MODELS_RESPONSES, summary="List shadows and the base")
    async def list_models() -> ServedModelList:
        assert service.engine.served is not None  # Busy while the model is loading
        return ServedModelList(data=[card(served) for served in service.engine.models()])

    @router.get("/v1/models/{name}", responses=MODEL_RESPONSES, summary="Show one of them")
    async def show_model(name: str) -> ServedModelCard:
        assert service.engine.served is not None
        for served in service.engine.models():
            if served.name == name:
                return card(served)
        raise NotFound("no model of this name is served; GET /v1/models lists those that are")

    return router
