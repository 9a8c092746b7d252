"""Keys at rest: digests only, one line each, and what is refused without being shown."""

import pytest

from cloud_server.api.keys import Keys, key_line, new_key
from cloud_server.settings import CloudSettings
from shared.errors import ConfigurationError

KEY = "a-key-of-twenty-characters"


def keys_of(tmp_path, lines: str, **more) -> Keys:
    file = tmp_path / "keys"
    file.write_text(lines)
    return Keys.from_settings(CloudSettings.from_environment(api_key_file=file, **more))


def test_a_new_key_is_found_by_its_line_and_its_line_does_not_hold_it(tmp_path):
    first, second = new_key(), new_key()
    assert first != second
    assert len(first) >= 43  # 256 bits
    line = key_line("dog", first)
    assert first not in line
    found = keys_of(tmp_path, line).find(f"Bearer {first}".encode())
    assert found is not None
    assert (found.name, found.role) == ("dog", "caller")
    assert keys_of(tmp_path, line).find(f"Bearer {second}".encode()) is None


@pytest.mark.parametrize(
    "content",
    ["", "# only a remark\n", "dog sha256:00\n", f"{KEY}\n", f"dog {KEY}\n", "dog md5:" + "0" * 64],
)
def test_a_file_without_a_digest_is_refused_and_not_shown(tmp_path, content):
    with pytest.raises(ConfigurationError, match="CLOUD_API_KEY_FILE") as refused:
        keys_of(tmp_path, content)
    assert KEY not in refused.value.message


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff")
    for name in ("bytes", "none"):
        settings = CloudSettings.from_environment(admin_key_file=tmp_path / name)
        with pytest.raises(ConfigurationError, match="CLOUD_ADMIN_KEY_FILE"):
            Keys.from_settings(settings)


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        ([key_line("dog", KEY), key_line("dog", KEY + "2")], {}),
        ([key_line("dog", KEY), key_line("cat", KEY)], {}),
        ([key_line("dog", KEY)], {"admin_keys": (KEY,)}),
    ],
)
def test_no_two_keys_share_a_name_or_a_key(tmp_path, lines, more):
    with pytest.raises(ConfigurationError, match="same"):
        keys_of(tmp_path, "\n".join(lines), **more)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("dog", "short"),
        ("dog", "a key with spaces in it"),
        ("a dog", KEY),
        ("", KEY),
        ("d" * 65, KEY),
    ],
)
def test_weak_keys_and_wrong_names_get_no_line(name, key):
    with pytest.raises(ConfigurationError):
        key_line(name, key)


def test_every_digest_is_compared_whichever_fits(tmp_path, monkeypatch):
    compared = []
    keys = keys_of(tmp_path, "\n".join(key_line(f"dog-{i}", f"{KEY}-{i}") for i in range(5)))
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: (compared.append(b), a == b)[1])
    for presented in (f"Bearer {KEY}-0".encode(), b"Bearer nothing", None):
        compared.clear()
        keys.find(presented)
        assert len(compared) == 5
