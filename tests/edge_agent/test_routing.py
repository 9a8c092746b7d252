"""The circuit breaker on a clock that tests turn by hand."""

import pytest

from edge_agent.routing import CircuitBreaker, Patience
from shared.errors import (
    CloudError,
    CloudProtocolError,
    CloudRefused,
    CloudTimeout,
    CloudUnreachable,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock) -> CircuitBreaker:
    return CircuitBreaker(failures_to_open=2, cool_down_s=10, clock=clock)


@pytest.fixture
def opened(breaker) -> CircuitBreaker:
    breaker.failed()
    breaker.failed()
    return breaker


def test_one_failure_or_two_apart_do_not_open(breaker):
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed"
    assert breaker.allows()


def test_two_failures_in_a_row_open(opened):
    assert opened.state == "open"
    assert not opened.allows()


def test_after_the_cool_down_one_trial_goes_through(opened, clock):
    clock.now_s += 9.99
    assert not opened.allows()
    clock.now_s += 0.01
    assert opened.state == "half_open"
    assert opened.allows()
    assert not opened.allows()


def test_a_good_trial_closes(opened, clock):
    clock.now_s += 10
    assert opened.allows()
    opened.succeeded()
    assert opened.state == "closed"
    opened.failed()
    assert opened.allows()  # the count began anew


def test_a_failed_trial_opens_for_another_cool_down(opened, clock):
    clock.now_s += 10
    assert opened.allows()
    clock.now_s += 5
    opened.failed()
    clock.now_s += 9
    assert not opened.allows()
    clock.now_s += 1
    assert opened.allows()


def test_a_trial_that_is_never_heard_of_blocks_nobody(opened, clock):
    clock.now_s += 10
    assert opened.allows()
    clock.now_s += 10
    assert opened.allows()


FAILURES = [
    CloudUnreachable("x"),
    CloudTimeout("x"),
    CloudProtocolError("x"),
    CloudRefused("given up"),
    *[CloudRefused("x", status) for status in (401, 403, 429, 500, 503)],
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: f"{error.code}-{vars(error)}")
def test_a_cloud_that_fails_opens_it(breaker, error):
    breaker.judge(error)
    breaker.judge(error)
    assert breaker.state == "open"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_refusal_of_one_question_is_a_cloud_that_lives(breaker, status):
    breaker.failed()
    for _ in range(5):
        breaker.judge(CloudRefused("this very question is wrong", status))
    breaker.failed()
    assert breaker.state == "closed"


def passing() -> CloudError:
    error = CloudUnreachable("x")
    error.passing = True
    return error


def test_pauses_grow_and_scatter():
    least, most = Patience(chance=lambda: 0.0), Patience(chance=lambda: 1.0)
    assert [least.pause_s(passing(), attempt, 20) for attempt in (1, 2)] == [0.1, 0.2]
    assert [most.pause_s(passing(), attempt, 20) for attempt in (1, 2)] == [0.2, 0.4]
    assert most.pause_s(passing(), 3, 20) is None


def test_no_pause_outlasts_the_deadline():
    patience = Patience(chance=lambda: 1.0)
    assert patience.pause_s(passing(), 1, 0.71) is not None
    assert patience.pause_s(passing(), 1, 0.69) is None
    assert patience.pause_s(CloudRefused("busy", 503, 2.0), 1, 20) == 2.2
    assert patience.pause_s(CloudRefused("busy", 503, 2.0), 1, 2.5) is None
