"""vLLM with the plugin gives the embedded engine's tokens, in fp32, whatever else is decoded beside."""

import gc
import os
import random
from contextlib import contextmanager

import pytest

from shared.errors import ConfigurationError

os.environ.update(  # read when vLLM is imported
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_LOGGING_LEVEL="ERROR",
    VLLM_NO_USAGE_STATS="1",
)
pytest.importorskip("vllm", reason="vLLM is not installed here: make test-vllm")

KINDS = ["implicit", "explicit", "published", "narrow", "ablation", "gemma3"]
TOKENS = 24
BLOCK_TOKENS = 32
"""The smallest page of vLLM's CPU attention."""
PREFIX_TOKENS = 100


@pytest.fixture(scope="module", params=KINDS)
def pair(request, make_pair):
    return make_pair(request.param)


@contextmanager
def serving(pair, **how):
    """A vLLM with small pages, few places and short prefill chunks, so that all of them show."""
    from vllm import LLM
    from vllm.distributed import cleanup_dist_env_and_memory

    llm = LLM(
        str(pair.base),
        hf_overrides=pair.overrides(),
        dtype="float32",
        max_model_len=512,
        max_num_seqs=4,
        max_num_batched_tokens=64,
        block_size=BLOCK_TOKENS,
        generation_config="vllm",
        disable_log_stats=True,
        **how,
    )
    yield llm
    del llm
    gc.collect()
    cleanup_dist_env_and_memory()


@pytest.fixture(scope="module")
def engine(pair):
    with serving(pair, enforce_eager=True) as llm:
        yield llm


def parameters(count: int = TOKENS):
    from vllm import SamplingParams

    return SamplingParams(temperature=0, max_tokens=count, ignore_eos=True, detokenize=False)


def answers(engine, asked: list[list[int]], count: int = TOKENS) -> list[list[int]]:
    given = [{"prompt_token_ids": prompt} for prompt in asked]
    outputs = engine.generate(given, parameters(count), use_tqdm=False)
    return [list(output.outputs[0].token_ids) for output in outputs]


def test_a_batch_of_unequal_prompts(engine, pair, prompts, embedded):
    asked = prompts(1, 5, 17, 33, 64, 130, 200)
    ours = answers(engine, asked)
    assert ours == embedded(pair.served(), [(prompt, TOKENS) for prompt in asked])


def test_the_shadow_shows_in_the_tokens(engine, pair, prompts, embedded):
    asked = prompts(20, seed=1)
    without = embedded(pair.served(), [(asked[0], TOKENS)], model="bare")
    assert answers(engine, asked) != without


def test_shared_prefixes_are_computed_once_and_change_nothing(engine, pair, prompts, embedded):
    (prefix,) = prompts(PREFIX_TOKENS, seed=2)
    asked = [prefix + rest for rest in prompts(3, 9, 20, 41, seed=3)]
    answers(engine, [prefix])
    outputs = engine.generate(
        [{"prompt_token_ids": prompt} for prompt in asked], parameters(), use_tqdm=False
    )
    assert [list(output.outputs[0].token_ids) for output in outputs] == embedded(
        pair.served(), [(prompt, TOKENS) for prompt in asked]
    )
    whole_blocks = PREFIX_TOKENS // BLOCK_TOKENS * BLOCK_TOKENS
    assert all(output.num_cached_tokens >= whole_blocks for output in outputs)


@pytest.mark.parametrize("seed", range(3))
def test_random_arrivals_and_cancellations(engine, pair, prompts, embedded, seed):
    """Requests come and go between any two steps; who stays gets the tokens that it would get alone."""
    chance = random.Random(seed)
    (prefix,) = prompts(40, seed=seed)
    lengths = [chance.randint(1, 90) for _ in range(12)]
    asked = {
        f"{seed}-{number}": (prefix if chance.random() < 0.5 else []) + prompt
        for number, prompt in enumerate(prompts(*lengths, seed=seed + 10))
    }
    counts = {name: chance.randint(2, 40) for name in asked}
    waiting, under_way, cancelled = list(asked), set(), set()
    done: dict[str, list[int]] = {}
    core = engine.llm_engine
    while waiting or core.has_unfinished_requests():
        for _ in range(chance.randint(0, 2)):
            if waiting:
                name = waiting.pop(0)
                given = {"prompt_token_ids": asked[name]}
                core.add_request(name, given, parameters(counts[name]))
                under_way.add(name)
        if under_way and chance.random() < 0.15:
            name = chance.choice(sorted(under_way))
            core.abort_request([name])
            under_way.discard(name)
            cancelled.add(name)
        for output in core.step():
            if output.finished and output.request_id in under_way:
                done[output.request_id] = list(output.outputs[0].token_ids)
                under_way.discard(output.request_id)
    assert set(done) == set(asked) - cancelled
    assert cancelled
    wanted = embedded(pair.served(), [(asked[name], counts[name]) for name in done])
    assert list(done.values()) == wanted


def test_a_compiled_model_is_refused(make_pair):
    """Its tokens were others when it was traced; nobody is to find that out on a robot."""
    with (
        pytest.raises(ConfigurationError, match="--enforce-eager"),
        serving(make_pair("implicit"), compilation_config={"backend": "eager"}),
    ):
        pass
