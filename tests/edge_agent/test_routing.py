"""The circuit breaker on a clock that tests turn by hand."""

import pytest

from edge_agent.routing import CircuitBreaker


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
