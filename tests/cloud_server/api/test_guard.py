"""Keys, the bind rule and the bound on bodies."""

import httpx
import pytest

from cloud_server.api.keys import Keys
from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError

KEY = "key-one-of-the-test"


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


def test_keys_come_from_a_file_too(scripted, exchange, intent, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# the dog's\n\n{KEY}\n")
    opened, refused = exchange(
        scripted("x"), intent(bearing(f"Bearer {KEY}")), intent(), api_key_file=file
    )
    assert (opened.status_code, refused.status_code) == (200, 401)


def test_health_needs_no_key(scripted, exchange):
    requests = [httpx.Request("GET", f"http://cloud/{name}") for name in ("healthz", "readyz")]
    responses = exchange(scripted("x"), *requests, api_keys=(KEY,))
    assert [response.status_code for response in responses] == [200, 200]


@pytest.mark.parametrize("content", ["", "# only a remark\n", b"\xff"])
def test_a_key_file_without_a_key_is_refused(tmp_path, content):
    file = tmp_path / "keys"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = CloudSettings.from_environment(api_key_file=file)
    with pytest.raises(ConfigurationError, match="API_KEY_FILE"):
        Keys.from_settings(settings)
    with pytest.raises(ConfigurationError, match="API_KEY_FILE"):
        Keys.from_settings(settings.model_copy(update={"api_key_file": tmp_path / "none"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_key(host):
    Keys(()).check_bind(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_wider_binds_need_a_key(host):
    with pytest.raises(ConfigurationError, match="CLOUD_API_KEYS"):
        Keys(()).check_bind(host)
    Keys((KEY,)).check_bind(host)


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
