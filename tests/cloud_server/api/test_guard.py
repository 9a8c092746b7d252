"""Who may do what, the bind rule and the bound on bodies."""

import httpx
import pytest

from cloud_server.api.keys import Keys, key_line
from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError

KEY = "key-one-of-the-test"
ADMIN_KEY = "key-of-the-tests-admin"


def bearing(value: str) -> dict[str, str]:
    return {"Authorization": value}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearing(""),
        bearing("Bearer"),
        bearing("Bearer "),
        bearing("Bearer wrong"),
        bearing(KEY),
        bearing(f"Basic {KEY}"),
        bearing(f"Bearer {KEY}x"),
        bearing(f"Bearer {KEY[:-1]}"),
    ],
)
def test_without_the_key_nothing_is_said(scripted, exchange, intent, headers):
    paths = ["/nowhere", "/openapi.json", "/v1/intents"]
    requests = [httpx.Request("GET", f"http://cloud{path}", headers=headers) for path in paths]
    responses = exchange(scripted("x"), intent(headers), *requests, api_keys=(KEY,))
    for response in responses:
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert set(response.json()) == {"code", "message", "request_id"}
        assert response.json()["code"] == "unauthorized"


@pytest.mark.parametrize("key", [KEY, "key-two-of-the-test"])
def test_any_of_the_keys_opens(scripted, exchange, intent, key):
    request = intent(bearing(f"bearer {key}"))
    (response,) = exchange(scripted("x"), request, api_keys=f"{KEY}, key-two-of-the-test")
    assert response.status_code == 200


def test_keys_come_from_a_file_of_digests_too(scripted, exchange, intent, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# the dog's\n\n{key_line('kitchen-dog', KEY)}\n")
    assert KEY not in file.read_text()
    opened, refused = exchange(
        scripted("x"), intent(bearing(f"Bearer {KEY}")), intent(), api_key_file=file
    )
    assert (opened.status_code, refused.status_code) == (200, 401)


def admin_request(method: str, path: str, key: str | None) -> httpx.Request:
    headers = bearing(f"Bearer {key}") if key else {}
    body = {"name": "none"} if method == "POST" else None
    return httpx.Request(method, f"http://cloud{path}", json=body, headers=headers)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 401, "unauthorized"),
        ("wrong", 401, "unauthorized"),
        (KEY, 403, "forbidden"),
        (ADMIN_KEY, 404, "not_found"),  # let in: there is only no such folder, no such shadow
    ],
)
def test_shadows_come_and_go_with_the_admins_key_only(
    scripted, exchange, tmp_path, key, status, code
):
    loading, unloading = exchange(
        scripted("x"),
        admin_request("POST", "/v1/shadows", key),
        admin_request("DELETE", "/v1/shadows/none", key),
        api_keys=(KEY,),
        admin_keys=(ADMIN_KEY,),
        shadows_directory=tmp_path,
    )
    for response in (loading, unloading):
        assert (response.status_code, response.json()["code"]) == (status, code)


def test_loopback_without_keys_is_open_but_not_to_administration(scripted, exchange, intent):
    asked, refused = exchange(
        scripted("x"),
        intent(bearing("Bearer anything")),
        admin_request("POST", "/v1/shadows", None),
    )
    assert (asked.status_code, refused.status_code) == (200, 403)
    assert "CLOUD_ADMIN_KEY_FILE" in refused.json()["message"]


def test_an_admins_key_reads_and_asks_nothing_of_the_model(scripted, exchange, intent):
    key = bearing(f"Bearer {ADMIN_KEY}")
    asked, *read = exchange(
        scripted("x"),
        intent(key),
        httpx.Request("GET", "http://cloud/metrics", headers=key),
        httpx.Request("GET", "http://cloud/v1/models", headers=key),
        api_keys=(KEY,),
        admin_keys=(ADMIN_KEY,),
    )
    assert asked.status_code == 403
    assert [response.status_code for response in read] == [200, 200]


@pytest.mark.parametrize(("keys", "status"), [((), 200), ((KEY,), 401)])
def test_metrics_need_a_key_where_anything_does(scripted, exchange, keys, status):
    (response,) = exchange(
        scripted("x"), httpx.Request("GET", "http://cloud/metrics"), api_keys=keys
    )
    assert response.status_code == status


def test_health_needs_no_key(scripted, exchange):
    requests = [httpx.Request("GET", f"http://cloud/{name}") for name in ("healthz", "readyz")]
    responses = exchange(scripted("x"), *requests, api_keys=(KEY,))
    assert [response.status_code for response in responses] == [200, 200]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_key(host):
    Keys().check_bind(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_wider_binds_need_a_callers_key(host):
    admin_only = Keys.from_settings(CloudSettings.from_environment(admin_keys=(ADMIN_KEY,)))
    for keys in (Keys(), admin_only):
        with pytest.raises(ConfigurationError, match="CLOUD_API_KEYS"):
            keys.check_bind(host)
    Keys.from_settings(CloudSettings.from_environment(api_keys=(KEY,))).check_bind(host)


def test_a_body_over_the_limit_is_refused_declared_or_not(scripted, exchange, intent):
    async def undeclared():
        for _ in range(5):
            yield b" " * 1000

    url = "http://cloud/v1/intents"
    fits, declared, chunked = exchange(
        scripted("x"),
        intent(),
        intent(text="y" * 5000),
        httpx.Request(
            "POST", url, content=undeclared(), headers={"Content-Type": "application/json"}
        ),
        max_body_bytes=2000,
    )
    assert fits.status_code == 200
    for response in (declared, chunked):
        assert response.status_code == 413
        assert response.json()["code"] == "too_large"
        assert set(response.json()) == {"code", "message", "request_id"}


def test_the_key_comes_before_the_body(scripted, exchange, intent):
    (response,) = exchange(
        scripted("x"), intent(text="y" * 5000), max_body_bytes=2000, api_keys=(KEY,)
    )
    assert response.status_code == 401
