"""Bytes that others made never raise anything but what is declared: random, and near what is valid."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def near(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A valid sample with a few bytes put in, taken out or changed."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        if draw(st.booleans()):
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        else:
            data[at : at + draw(st.integers(1, 4))] = draw(st.binary(max_size=2))
    return bytes(data)


@st.composite
def retyped(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A valid JSON sample with one value of another type, or JSON of another shape."""
    import json

    objects = [json.loads(each) for each in samples if each.startswith(b"{")]
    if not objects or draw(st.booleans()):
        return json.dumps(draw(JSON)).encode()
    value = dict(draw(st.sampled_from(objects)))
    if value:
        value[draw(st.sampled_from(sorted(value)))] = draw(JSON)
    return json.dumps(value).encode()


def feed(name: str, examples: int) -> None:
    target, samples = TARGETS[name]

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=300) | near(samples) | retyped(samples))
    def try_it(data: bytes) -> None:
        target(data)

    for sample in samples:
        target(sample)
    try_it()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    feed(name, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_bytes_are_read_or_refused(name: str) -> None:
    feed(name, 5000)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python")
@pytest.mark.parametrize("name", TARGETS)
def test_bytes_that_atheris_finds_are_read_or_refused(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", name, "-max_total_time=20", "-max_len=2000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    print(done.stderr.splitlines()[-1])
