"""Bundle, cloud, records, microphone, voice and clock."""

import json
import os
from datetime import datetime, timezone
from types import SimpleNamespace

import httpx
import pytest

from edge_agent.doctor.bundle_check import check_bundle
from edge_agent.doctor.clock_check import ask_kernel, check_clock
from edge_agent.doctor.cloud_check import check_cloud
from edge_agent.doctor.records_check import check_records
from edge_agent.doctor.sound_check import check_microphone, check_voice
from edge_agent.provider import ProviderOptions
from shared.bundle import MANIFEST_NAME, bytes_sha256, read_manifest
from shared.errors import BundleError, ConfigurationError
from tests.shared.test_bundle import write_bundle

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
MANIFEST = SimpleNamespace(
    name="gemma-270m", precision="int8", fingerprint="f" * 64, checks=[1, 2], taught=()
)

# --- the bundle -----------------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch):
    """What loading a bundle gives: a recogniser, or an error."""
    known = {}

    def load_checked(directory, options):
        if isinstance(known.get("error"), Exception):
            raise known["error"]
        known["options"] = options
        return SimpleNamespace(manifest=MANIFEST)

    monkeypatch.setattr("edge_agent.bundles.self_test.load_checked", load_checked)
    return known


def test_a_bundle_that_passes_its_self_test_is_ok(loaded, tmp_path):
    finding, manifest = check_bundle(tmp_path)
    assert finding.state == "ok"
    assert "gemma-270m, int8, ffffffffffff" in finding.message
    assert manifest is MANIFEST


def test_a_missing_bundle_says_how_to_make_one(tmp_path):
    finding, manifest = check_bundle(tmp_path / "none")
    assert finding.state == "failed"
    assert "cloud-server export-edge" in finding.todo
    assert manifest is None


def test_a_bundle_with_a_wrong_hash_fails(loaded, tmp_path):
    loaded["error"] = BundleError("graph.onnx does not have the manifest's hash")
    finding, _ = check_bundle(tmp_path)
    assert finding.state == "failed"
    assert "hash" in finding.message


def test_a_bundle_is_tried_on_the_processor_that_the_agent_uses(loaded, tmp_path):
    options = ProviderOptions("cuda", device=1)
    assert check_bundle(tmp_path, options=options)[0].state == "ok"
    assert loaded["options"] == options
    loaded["error"] = ConfigurationError("EDGE_PROVIDER=cuda: there is none; set EDGE_PROVIDER=cpu")
    finding, manifest = check_bundle(tmp_path, options=options)
    assert (finding.state, manifest) == ("failed", None)
    assert "set EDGE_PROVIDER=cpu" in finding.todo


def test_a_bundle_that_is_not_the_pinned_one_fails_unread(loaded, tmp_path):
    (tmp_path / MANIFEST_NAME).write_bytes(b"{}")
    pin = bytes_sha256(b"{}")
    assert check_bundle(tmp_path, manifest_sha256=pin.upper())[0].state == "ok"
    loaded.clear()
    finding, manifest = check_bundle(tmp_path, manifest_sha256="0" * 64)
    assert (finding.state, manifest) == ("failed", None)
    assert f"{pin}, not the one that EDGE_BUNDLE_SHA256 names" in finding.message
    assert "bundle pull" in finding.todo
    assert loaded == {}


def test_a_folder_that_is_no_bundle_fails(tmp_path):
    assert check_bundle(tmp_path)[0].state == "failed"


# --- the cloud ------------------------------------------------------------------------------------


def answering(**answers):
    """A cloud that answers by path; a path that it does not know is 404."""

    def handle(request):
        name = request.url.path.strip("/").split("/")[-1].replace("-", "_")
        status, body = answers.get(name, (404, {"code": "not_found"}))
        return httpx.Response(status, json=body)

    return httpx.MockTransport(handle)


READY = (200, {"status": "ready", "model": "gemma-270m"})
MODELS = (200, {"data": []})


def look(transport, key="a-key", bundle=MANIFEST):
    return check_cloud("http://cloud:8090", key, bundle, transport)


def test_a_cloud_with_the_same_fingerprint_is_ok():
    bundle = (200, {"fingerprint": "f" * 64})
    finding = look(answering(readyz=READY, models=MODELS, gemma_270m=bundle))
    assert finding.state == "ok"
    assert "key accepted, the same fingerprint ffffffffffff" in finding.message


def test_a_cloud_that_names_no_bundle_is_ok_and_so_it_says():
    assert "does not say" in look(answering(readyz=READY, models=MODELS)).message
    assert "no bundle here" in look(answering(readyz=READY, models=MODELS), bundle=None).message


def test_another_fingerprint_is_a_warning():
    bundle = (200, {"fingerprint": "0" * 64})
    finding = look(answering(readyz=READY, models=MODELS, gemma_270m=bundle))
    assert finding.state == "warning"
    assert "000000000000 and this one ffffffffffff" in finding.message


def test_the_same_fingerprint_with_other_thresholds_is_a_warning(tmp_path):
    theirs = write_bundle(tmp_path, name="gemma-270m", thresholds={**dict.fromkeys("0123", 0.5)})
    write_bundle(tmp_path, name="gemma-270m")
    ours = read_manifest(tmp_path)
    cloud = answering(readyz=READY, models=MODELS, gemma_270m=(200, theirs))
    finding = look(cloud, bundle=ours)
    assert finding.state == "warning"
    assert "they differ in thresholds" in finding.message
    assert "bundle pull" in finding.todo
    again = {**json.loads((tmp_path / MANIFEST_NAME).read_bytes()), "created": "later"}
    cloud = answering(readyz=READY, models=MODELS, gemma_270m=(200, again))
    assert look(cloud, bundle=ours).state == "ok"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"key": "schlüssel"}, "printable ASCII"),
        ({"key": "two\nlines"}, "printable ASCII"),
        ({"url": "http://"}, "must start with http(s)://host"),
        ({"certificates": "none.pem"}, "EDGE_CLOUD_CERTIFICATES"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_keep_the_agent_from_starting_fail_unasked(settings, told, tmp_path):
    def refuse(request):
        raise AssertionError("nothing is to be asked")

    given = {"url": "http://cloud:8090", "key": None, **settings}
    if "certificates" in given:
        given["certificates"] = tmp_path / given["certificates"]
    finding = check_cloud(bundle=None, transport=httpx.MockTransport(refuse), **given)
    assert finding.state == "failed"
    assert told in finding.message
    assert "EDGE_CLOUD_KEY" in finding.todo
    assert "schlüssel" not in finding.message


@pytest.mark.parametrize(("key", "told"), [("old", "does not accept"), (None, "asks for a key")])
def test_a_refused_key_is_a_warning(key, told):
    finding = look(answering(readyz=READY, models=(401, {"code": "unauthorized"})), key)
    assert finding.state == "warning"
    assert told in finding.message
    assert "EDGE_CLOUD_KEY" in finding.todo


def test_a_cloud_that_loads_is_a_warning():
    finding = look(answering(readyz=(503, {"message": "the model is being loaded"})))
    assert finding.state == "warning"
    assert "being loaded" in finding.message


def test_a_cloud_that_is_away_is_a_warning():
    def refuse(request):
        raise httpx.ConnectError("refused")

    finding = look(httpx.MockTransport(refuse))
    assert finding.state == "warning"
    assert "EDGE_CLOUD_URL" in finding.todo


def test_something_else_at_the_clouds_address_is_a_warning():
    odd = httpx.MockTransport(lambda request: httpx.Response(302, text="<html>"))
    assert look(odd).state == "warning"


# --- the records ----------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path):
    """The default folder of the records, not made yet."""
    return tmp_path / "state" / "shadowdog"


def look_at_records(state, closed=(), **places):
    """The finding of this user, to whom the paths in `closed` are closed; root is refused nothing."""
    journal = places.get("journal", state / "journal.jsonl")
    outbox = places.get("outbox", state / "outbox.sqlite3")
    return check_records(journal, outbox, state, lambda path, mode: path not in closed)


def test_records_that_can_be_written_are_ok_and_nothing_is_made(state, tmp_path):
    assert look_at_records(state).state == "ok"
    assert list(tmp_path.iterdir()) == []
    state.mkdir(parents=True)
    (state / "journal.jsonl").write_text("")
    assert look_at_records(state).state == "ok"
    assert [each.name for each in state.iterdir()] == ["journal.jsonl"]


def test_a_default_folder_that_the_service_makes_is_a_warning(state, tmp_path):
    finding = look_at_records(state, closed=[tmp_path])
    assert finding.state == "warning"
    assert "the service's start makes it" in finding.todo
    state.mkdir(parents=True)
    assert look_at_records(state, closed=[state]).state == "failed"


@pytest.mark.parametrize("name", ["journal", "outbox"])
def test_records_that_cannot_be_written_fail_with_the_setting_that_names_them(
    name, state, tmp_path
):
    file = tmp_path / "file"
    file.write_text("")
    closed = tmp_path / "closed"
    closed.mkdir()
    setting = f"EDGE_{name.upper()}"
    for path, told in [
        (tmp_path / "none" / "here" / "records", "cannot be written by this user"),
        (closed / "records", "cannot be written by this user"),
        (file, "cannot be written by this user"),
        (file / "records", "is no folder"),
        (closed, "is a folder"),
    ]:
        refused = [file, closed] + ([tmp_path] if "none" in path.parts else [])
        finding = look_at_records(state, closed=refused, **{name: path})
        assert (finding.state, finding.message.count(told)) == ("failed", 1), path
        assert setting in finding.message
        assert finding.todo.endswith(f"set {setting}")


def test_a_file_of_another_user_fails(state, monkeypatch):
    state.mkdir(parents=True)
    (state / "outbox.sqlite3").write_bytes(b"")
    owner = (state / "outbox.sqlite3").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert "belongs to another user" in look_at_records(state).message


# --- microphone and voice -------------------------------------------------------------------------


def test_microphones_are_listed():
    devices = [
        {"name": "Array mic", "max_input_channels": 4},
        {"name": "HDMI", "max_input_channels": 0},
    ]
    finding = check_microphone(lambda: devices)
    assert (finding.state, finding.message) == ("ok", "Array mic")
    assert check_microphone(lambda: devices[1:]).state == "warning"


def test_without_speech_the_microphone_is_no_fault(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    finding = check_microphone()
    assert finding.state == "skipped"
    assert "speech is not installed" in finding.message


def test_a_sound_system_that_is_missing_is_a_warning():
    def query():
        raise OSError("PortAudio library not found")

    finding = check_microphone(query)
    assert finding.state == "warning"
    assert "libportaudio2" in finding.todo


@pytest.mark.parametrize(
    ("voice", "installed", "state", "told"),
    [
        ("auto", {"espeak-ng", "aplay"}, "ok", "else aplay"),
        ("auto", {"espeak-ng"}, "ok", "else text"),
        ("robot", {"espeak-ng"}, "ok", "loudspeaker"),
        ("speaker", {"espeak-ng", "paplay"}, "ok", "paplay"),
        ("speaker", {"espeak-ng"}, "warning", "a player"),
        ("robot", {"aplay"}, "warning", "espeak-ng is missing"),
        ("text", set(), "ok", "EDGE_VOICE=text"),
    ],
)
def test_voices(voice, installed, state, told):
    finding = check_voice(voice, "espeak-ng", lambda name: name if name in installed else None)
    assert finding.state == state
    assert told in finding.message


# --- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "step_s", "by_ntp", "state", "told"),
    [
        (NOW, 0.0, True, "ok", "kept by NTP"),
        (NOW, 0.1, None, "ok", "not known"),
        (NOW, 0.0, False, "warning", "no NTP"),
        (NOW, 3.0, True, "warning", "set by +3.0 s"),
        (datetime(1970, 1, 1, tzinfo=timezone.utc), 0.0, True, "warning", "cannot be"),
    ],
)
def test_clocks(now, step_s, by_ntp, state, told):
    finding = check_clock(now, step_s, lambda: by_ntp)
    assert finding.state == state
    assert told in finding.message


def test_the_kernel_can_be_asked():
    assert ask_kernel() in (True, False, None)
