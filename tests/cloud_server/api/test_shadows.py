"""Shadows that come and go over real HTTP: from one folder only, and never from under a request."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import torch

from cloud_server.app import create_app
from cloud_server.loading import make_tiny
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.settings import CloudSettings

GUARD_S = 60
ADMIN_KEY = "an-admins-key-of-the-test"
UNFIT = {
    "layers": {"num_shadow_layers": 9},
    "none": {"num_shadow_layers": 0},
    "dropout": {"dropout": 1.5},
    "heads": {"modules_to_save": ["classifier_head"]},
    "alpha": {"alpha": float("nan")},
}
"""Configurations that no shadow of the tiny base can have."""
SAMPLED = {"temperature": 2.0, "seed": 3, "max_tokens": 16}


@pytest.fixture(scope="module")
def tiny():
    return make_tiny()


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    """The service's folder of shadows: two that fit the tiny base, and what is none."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "shadows"
    for name, seed in (("kitchen", 1), ("garden", 2)):
        save_shadow(tiny.model.base, seed, folder / name)
    save_shadow(tiny.model.base, 3, root / "outside")
    (folder / "link").symlink_to(root / "outside")
    (folder / "empty").mkdir()
    (folder / "foreign").mkdir()
    (folder / "foreign" / "adapter_config.json").write_text('{"peft_type": "SHADOW"}')
    (folder / "file").write_text("x")
    for name, changes in UNFIT.items():
        save_shadow(tiny.model.base, 4, folder / name)
        path = folder / name / "shadow_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    save_shadow(tiny.model.base, 5, folder / "formless")
    (folder / "formless" / "shadow_form.json").write_text(
        json.dumps({"decoder": {"model_type": "qwen3", "hidden_size": "x"}})
    )
    save_shadow(tiny.model.base, 6, folder / "damaged", strength=float("nan"))
    return folder


def save_shadow(base, seed: int, directory, strength: float = 0.5) -> None:
    """Save a random shadow whose injection is not zero, so that it shows in the answers."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = ShadowModel.create(base, ShadowConfig(num_shadow_layers=1)).eval()
        for parameter in model.shadow_injection_model.parameters():
            parameter.normal_(0, 1).mul_(strength)
        model.save_pretrained(directory)


@pytest.fixture
def cloud(tiny, folder, serving):
    """A client of a server with the tiny model and an admin key."""
    settings = CloudSettings.from_environment(admin_keys=(ADMIN_KEY,), shadows_directory=folder)
    app = create_app(settings, lambda: tiny)
    with serving(app) as url, client_of(url) as client:
        app.state.engine.loaded.exception(GUARD_S)
        yield client


def client_of(url: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.Client(base_url=url, headers=headers, timeout=GUARD_S, trust_env=False)


def load(cloud, name: str, directory: str | None = None) -> httpx.Response:
    body = {"name": name} if directory is None else {"name": name, "directory": directory}
    return cloud.post("/v1/shadows", json=body)


def names(cloud) -> list[str]:
    return [model["id"] for model in cloud.get("/v1/models").json()["data"]]


def ask(url: str, model: str, **options) -> httpx.Response:
    """Ask as a caller, which on loopback needs no key."""
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": model, "messages": messages, **SAMPLED, **options}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=GUARD_S, trust_env=False)


def said(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def test_a_shadow_comes_answers_and_goes(cloud):
    url = str(cloud.base_url)
    before = names(cloud)
    assert ask(url, "kitchen").status_code == 404
    loaded = load(cloud, "kitchen")
    assert (loaded.status_code, loaded.json()) == (201, {"name": "kitchen", "state": "loaded"})
    assert load(cloud, "second", "garden").status_code == 201
    assert set(names(cloud)) == {*before, "kitchen", "second"}
    answers = {name: said(ask(url, name)) for name in names(cloud)}
    assert len({answers[name] for name in ("tiny-base", "kitchen", "second")}) == 3
    assert answers["tiny"] == answers["tiny-base"]  # a fresh shadow injects nothing yet
    with ThreadPoolExecutor(8) as together:  # mixed in the same batches, each says the same again
        order = list(answers) * 4
        assert [said(each) for each in together.map(lambda name: ask(url, name), order)] == [
            answers[name] for name in order
        ]
    assert cloud.delete("/v1/shadows/kitchen").json()["state"] == "unloaded"
    assert ask(url, "kitchen").status_code == 404
    assert set(names(cloud)) == {*before, "second"}


@pytest.mark.parametrize(
    ("name", "directory", "status", "code"),
    [
        ("tiny", "kitchen", 409, "conflict"),
        ("tiny-base", "kitchen", 409, "conflict"),
        ("a", "nowhere", 404, "not_found"),
        ("a", "file", 404, "not_found"),
        ("a", "\u0000", 404, "not_found"),
        ("a", "../outside", 403, "forbidden"),
        ("a", "link", 403, "forbidden"),
        ("a", "/etc", 403, "forbidden"),
        ("a", "empty", 422, None),
        ("a", "foreign", 422, "checkpoint_foreign"),
        *(("a", unfit, 422, "checkpoint_mismatch") for unfit in UNFIT),
        ("a", "formless", 422, "checkpoint_mismatch"),
        ("a", "damaged", 422, "model_invalid"),
        ("a/b", "kitchen", 422, "request_invalid"),
        ("..", "kitchen", 422, "request_invalid"),
    ],
)
def test_what_cannot_be_loaded_is_refused_and_changes_nothing(cloud, name, directory, status, code):
    before = names(cloud)
    refused = load(cloud, name, directory)
    assert refused.status_code == status, refused.text
    assert code is None or refused.json()["code"] == code
    assert names(cloud) == before


def test_what_is_not_served_or_is_the_default_is_not_unloaded(cloud):
    unknown, default, base = (
        cloud.delete(f"/v1/shadows/{name}") for name in ("none", "tiny", "tiny-base")
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (default.status_code, default.json()["code"]) == (409, "conflict")
    assert base.status_code in (404, 409)


def test_without_a_folder_of_shadows_none_is_loaded(tiny, serving):
    app = create_app(CloudSettings.from_environment(admin_keys=(ADMIN_KEY,)), lambda: tiny)
    with serving(app) as url, client_of(url) as client:
        app.state.engine.loaded.exception(GUARD_S)
        refused = load(client, "kitchen")
    assert refused.status_code == 403
    assert "CLOUD_SHADOWS_DIRECTORY" in refused.json()["message"]


def test_a_shadow_in_use_is_not_unloaded_until_its_answer_has_ended(
    scripted, serving, tmp_path, monkeypatch
):
    (tmp_path / "kitchen").mkdir()
    served = scripted("a", endless=True)
    settings = CloudSettings.from_environment(admin_keys=(ADMIN_KEY,), shadows_directory=tmp_path)
    app = create_app(settings, lambda: served)
    engine = app.state.engine
    decoding, asked = threading.Event(), threading.Event()

    def hold():
        decoding.set()
        asked.wait(GUARD_S)  # the first step takes until the owner thread is asked to unload

    def unload_and_tell(name, unload=engine.unload_shadow):
        future = unload(name)
        asked.set()
        return future

    monkeypatch.setattr(engine, "unload_shadow", unload_and_tell)
    with serving(app) as url, client_of(url) as client, ThreadPoolExecutor(1) as asking:
        engine.loaded.exception(GUARD_S)
        assert load(client, "kitchen").status_code == 201
        served.model.before_step = hold
        answer = asking.submit(ask, url, "kitchen", temperature=0)
        assert decoding.wait(GUARD_S)
        refused = client.delete("/v1/shadows/kitchen")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert said(answer.result(GUARD_S)) == "a" * SAMPLED["max_tokens"]
        assert client.delete("/v1/shadows/kitchen").status_code == 200
