"""The cloud: can it be reached, does it take the key, does it serve the bundle that this edge runs."""

from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from edge_agent.bundles.comparison import differing_parts
from edge_agent.cloud_client import authorization, checked_address, trusted
from edge_agent.doctor.finding import Finding, failed, ok, warning
from shared.bundle import BundleManifest
from shared.errors import ConfigurationError

TIMEOUT_S = 5.0
LOCAL_GOES_ON = "until then the dog does its own skills and cannot answer questions"
SET_RIGHT = (
    "set EDGE_CLOUD_URL, EDGE_CLOUD_KEY and EDGE_CLOUD_CERTIFICATES right: the agent does not start "
    "with these"
)


def check_cloud(
    url: str,
    key: str | None,
    bundle: BundleManifest | None,
    transport: httpx.BaseTransport | None = None,
    certificates: Path | None = None,
) -> Finding:
    """Return the finding; a cloud that is away is a warning, since the dog works without it.

    Settings with which the agent would not start are a failure.
    """
    try:
        address, headers = checked_address(url), authorization(key)
        verify = trusted(address, certificates)
    except ConfigurationError as error:
        return failed("cloud", error.message, SET_RIGHT)
    try:
        with httpx.Client(
            base_url=address,
            headers=headers,
            timeout=TIMEOUT_S,
            verify=verify,
            trust_env=False,
            transport=transport,
        ) as http:
            return _ask(http, url, key, bundle)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return warning(
            "cloud",
            f"{url} cannot be reached ({type(error).__name__})",
            f"start `cloud-server serve`, or set EDGE_CLOUD_URL; {LOCAL_GOES_ON}",
        )


def _ask(http: httpx.Client, url: str, key: str | None, bundle: BundleManifest | None) -> Finding:
    ready = http.get("/readyz")
    if ready.status_code != 200:
        said = _body(ready).get("message", f"status {ready.status_code}")
        return warning("cloud", f"{url} is not ready: {said}", f"see its log; {LOCAL_GOES_ON}")
    model = _body(ready).get("model", "a model without a name")
    # A path that needs the key: a service without it answers 404 only to those it has let in.
    if http.get("/v1/models").status_code in (401, 403):
        told = "does not accept EDGE_CLOUD_KEY" if key else "asks for a key"
        return warning(
            "cloud",
            f"{url} serves {model} and {told}",
            f"set EDGE_CLOUD_KEY to one of its keys; {LOCAL_GOES_ON}",
        )
    reached = f"{url} serves {model}, key accepted"
    if bundle is None:
        return ok("cloud", f"{reached}; no bundle here to compare with")
    offered = http.get(f"/v1/edge-bundles/{bundle.name}")
    theirs = _body(offered) if offered.status_code == 200 else {}
    if theirs.get("fingerprint") is None:
        return ok("cloud", f"{reached}; it does not say which bundle belongs to it")
    if parts := _differing(bundle, theirs):
        return warning(
            "cloud",
            f"{reached}, but its bundle is {str(theirs['fingerprint'])[:12]} and this one "
            f"{bundle.fingerprint[:12]}; they differ in {', '.join(parts)}",
            "`edge-agent bundle pull`, or export both from one shadow",
        )
    return ok("cloud", f"{reached}, the same fingerprint {bundle.fingerprint[:12]}")


def _differing(ours: BundleManifest, theirs: dict[str, Any]) -> list[str]:
    try:
        return differing_parts(ours, BundleManifest.model_validate(theirs))
    except ValidationError:  # of another version: its fingerprint means what ours does
        return [] if theirs["fingerprint"] == ours.fingerprint else ["fingerprint"]


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
