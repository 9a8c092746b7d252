"""`/healthz` says that the process lives, `/readyz` that it can answer."""

from fastapi import APIRouter

from cloud_server.api.examples import HEALTH_RESPONSES, READY_RESPONSES
from cloud_server.engine import AnswerEngine
from shared.errors import Busy, ShadowdogError


def health_router(engine: AnswerEngine) -> APIRouter:
    """Return the two routes that need no key."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", responses=HEALTH_RESPONSES, summary="Whether the process lives")
    async def report_health() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", responses=READY_RESPONSES, summary="Whether it can answer")
    async def report_readiness() -> dict[str, str]:
        if engine.loaded.done() and (failure := engine.loaded.exception()):
            said = failure.message if isinstance(failure, ShadowdogError) else "see the log"
            raise Busy(f"the model could not be loaded: {said}")
        return {"status": "ready", "model": engine.served.name}

    return router
