"""Files of `/v1/edge-bundles` over ASGI: a part where one is asked for, and refusals in the service's form."""

from types import SimpleNamespace

import httpx
import pytest

from cloud_server.api import edge_bundles

WHOLE = b"0123456789"


@pytest.fixture
def fetch(scripted, exchange, tmp_path, monkeypatch):
    """Return a function that fetches the one file, 10 bytes, of a bundle "x"."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "graph.onnx").write_bytes(WHOLE)
    manifest = SimpleNamespace(files={"graph.onnx": None})
    monkeypatch.setattr(edge_bundles, "read_manifest", lambda folder, check_files: manifest)

    def get(**headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = "http://cloud/v1/edge-bundles/x/files/graph.onnx"
        (response,) = exchange(
            scripted("x"), httpx.Request("GET", url, headers=named), bundles=tmp_path
        )
        return response

    return get


@pytest.mark.parametrize(
    ("said", "part", "at"),
    [
        ("bytes=3-", WHOLE[3:], "bytes 3-9/10"),
        ("bytes=0-0", WHOLE[:1], "bytes 0-0/10"),
        ("Bytes=3-99", WHOLE[3:], "bytes 3-9/10"),
        ("bytes=-4", WHOLE[-4:], "bytes 6-9/10"),
        ("bytes=-99", WHOLE, "bytes 0-9/10"),
    ],
)
def test_a_part_is_sent_where_one_is_asked_for(fetch, said, part, at):
    response = fetch(range=said)
    assert (response.status_code, response.content) == (206, part)
    assert response.headers["content-range"] == at


@pytest.mark.parametrize(
    "said",
    [
        "bytes=abc",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "items=0-1",
        "bytes",
        "",
        "bytes=0-1,3-4",
        f"bytes={'9' * 5000}-",
    ],
)
def test_what_is_no_range_is_answered_with_the_whole_file(fetch, said):
    response = fetch(range=said)
    assert (response.status_code, response.content) == (200, WHOLE)
    assert response.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("said", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_part_behind_the_end_is_refused_in_the_services_form(fetch, said):
    response = fetch(range=said)
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */10"
    body = response.json()
    assert set(body) == {"code", "message", "request_id"}
    assert (body["code"], body["request_id"]) == (
        "range_unsatisfiable",
        response.headers["x-request-id"],
    )


def test_a_part_of_another_file_than_before_is_the_whole_of_this_one(fetch):
    etag = fetch().headers["etag"]
    assert fetch(range="bytes=3-", if_range=etag).status_code == 206
    for said in ("bytes=3-", "bytes=10-"):
        response = fetch(range=said, if_range='"another"')
        assert (response.status_code, response.content) == (200, WHOLE)
