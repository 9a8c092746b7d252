"""How much a key may ask, on a clock that tests turn."""

import pytest

from cloud_server.api.quotas import KeyLimits, Quotas, retry_after
from shared.errors import RateLimited

KEYS = ("the-first-dogs-key", "the-second-dogs-key")


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def pass_through(quotas: Quotas, key: str = "dog") -> None:
    quotas.enter(key)
    quotas.leave(key)


def test_a_burst_then_as_fast_as_the_bucket_fills(clock):
    quotas = Quotas(KeyLimits(requests_per_minute=30, burst=3, concurrent=9), clock)
    for _ in range(3):
        pass_through(quotas)
    with pytest.raises(RateLimited) as refused:
        pass_through(quotas)
    assert refused.value.retry_after_s == pytest.approx(2.0)
    pass_through(quotas, "cat")  # another key has its own bucket
    clock.now_s = 1.0
    with pytest.raises(RateLimited) as refused:
        pass_through(quotas)
    assert refused.value.retry_after_s == pytest.approx(1.0)
    clock.now_s = 2.0
    pass_through(quotas)
    clock.now_s = 1e6  # a bucket never holds more than its burst
    for _ in range(3):
        pass_through(quotas)
    with pytest.raises(RateLimited):
        pass_through(quotas)


def test_only_so_many_at_once_and_a_refusal_costs_nothing(clock):
    quotas = Quotas(KeyLimits(requests_per_minute=60, burst=3, concurrent=2), clock)
    quotas.enter("dog")
    quotas.enter("dog")
    for _ in range(5):
        with pytest.raises(RateLimited, match="under way"):
            quotas.enter("dog")
    quotas.leave("dog")
    quotas.enter("dog")
    quotas.leave("dog")
    with pytest.raises(RateLimited, match="times a minute"):
        quotas.enter("dog")


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2")])
def test_retry_after_is_whole_seconds(seconds, told):
    assert retry_after(seconds) == told


def test_over_http_one_keys_greed_is_not_anothers(scripted, exchange, intent):
    greedy, modest = (bearing(key) for key in KEYS)
    requests = [intent(greedy) for _ in range(3)]
    first, second, third, other = exchange(
        scripted("x"),
        *requests,
        intent(modest),
        api_keys=KEYS,
        requests_per_minute=0.001,
        request_burst=2,
    )
    assert [first.status_code, second.status_code, other.status_code] == [200, 200, 200]
    assert (third.status_code, third.json()["code"]) == (429, "rate_limited")
    assert int(third.headers["retry-after"]) >= 1


def test_every_answers_end_frees_its_place_refused_or_not(scripted, exchange, intent):
    wrong = [intent(bearing(KEYS[0]), lang="fr") for _ in range(3)]
    *refused, answered = exchange(
        scripted("x"), *wrong, intent(bearing(KEYS[0])), api_keys=KEYS, max_concurrent_per_key=1
    )
    assert [response.status_code for response in refused] == [422, 422, 422]
    assert answered.status_code == 200
