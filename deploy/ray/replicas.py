"""Replicas of the embedded engine under Ray Serve: `serve run deploy.ray.replicas:application`.

Each replica is the cloud's own app with `/v1/completions`, its settings the `CLOUD_` variables of whoever
deploys it; SHADOWDOG_REPLICAS says how many there are. A front end with CLOUD_UPSTREAM_URL stands before
them: it has the keys and the sessions, and goes on elsewhere with what a lost replica was answering.
"""

import os
from typing import Any

from ray import serve

from cloud_server.app import create_app
from cloud_server.loading import load_profile
from cloud_server.settings import CloudSettings

MAX_WAITING = 64
"""Requests a replica may have beyond those it decodes; the front end's queue is the one that is fair."""
HEALTH_CHECK_S = 5.0


@serve.ingress()
class Replica:
    """One embedded engine. Requests come once its model is loaded; one that cannot be says why."""

    def __init__(self, settings: CloudSettings) -> None:
        served = load_profile(settings)
        self._app = create_app(settings, lambda: served)

    def __serve_build_asgi_app__(self) -> Any:
        return self._app

    async def check_health(self) -> None:
        """Raise what keeps the engine from working; Ray then replaces the replica."""
        loaded = self._app.state.engine.loaded
        if loaded.done():
            loaded.result()


def build(settings: CloudSettings, replicas: int) -> Any:
    """Return the application of so many replicas."""
    deployment = serve.deployment(
        name="shadowdog",
        num_replicas=replicas,
        max_ongoing_requests=settings.max_active + MAX_WAITING,
        health_check_period_s=HEALTH_CHECK_S,
        graceful_shutdown_timeout_s=settings.max_deadline_s,
        ray_actor_options={"num_cpus": float(settings.threads or 1)},
    )(Replica)
    return deployment.bind(settings)


def application(_: dict[str, str]) -> Any:
    """Return the application that the environment asks for."""
    settings = CloudSettings.from_environment(completions=True)
    return build(settings, int(os.environ.get("SHADOWDOG_REPLICAS", "2")))
