"""The GPT against attention written out, and its context against plain lists."""

import math

import numpy as np
import pytest
import torch

from mocapact_core.policies.gpt import GPT, Attention

OBSERVATION, BLOCK = 10, 4


@pytest.fixture
def policy():
    torch.manual_seed(5)
    gpt = GPT(observation=OBSERVATION, block=BLOCK, embedding=12, layers=2, heads=3).eval()
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # far enough from zero for differences to show
    return gpt


def test_full_size_has_57_million_parameters():
    with torch.device("meta"):
        n = sum(parameter.numel() for parameter in GPT().parameters())
    assert round(n / 1e6) == 57


def test_attention_is_the_softmax_of_past_scores():
    torch.manual_seed(0)
    attention = Attention(embedding=6, heads=2, dropout=0.0)
    x = torch.randn(3, 5, 6)
    q, k, v = attention.query_key_value(x).split(6, dim=-1)
    out = torch.zeros(3, 5, 6)
    for head in (slice(0, 3), slice(3, 6)):
        for t in range(5):
            scores = torch.einsum("bi,bsi->bs", q[:, t, head], k[:, : t + 1, head]) / math.sqrt(3)
            out[:, t, head] = torch.einsum("bs,bsi->bi", scores.softmax(-1), v[:, : t + 1, head])
    torch.testing.assert_close(attention(x), attention.project(out))


def test_actions_depend_on_the_past_alone(policy):
    observation = torch.randn(1, BLOCK, OBSERVATION)
    changed = observation.clone()
    changed[:, 2] += 1
    difference = (policy(observation) - policy(changed)).abs().amax(-1)[0]
    assert (difference[:2] == 0).all()
    assert (difference[2:] > 1e-4).all()


def test_predict_sees_the_last_observations_of_each_episode(policy):
    rng = np.random.default_rng(0)
    episodes: list[list[np.ndarray]] = [[], [], []]
    state = None
    for t in range(11):
        observation = rng.normal(size=(3, OBSERVATION)).astype(np.float32)
        start = np.array([t == 0, t in (0, 3), t in (0, 7)])  # lengths 11; 3 and 8; 7 and 4
        for i in range(3):
            episodes[i] = [*([] if start[i] else episodes[i]), observation[i]][-BLOCK:]
        actions, state = policy.predict(observation, state, start)
        for i in range(3):
            expected = policy(torch.as_tensor(np.stack(episodes[i]))[None])[0, -1]
            np.testing.assert_allclose(actions[i], expected.detach().clamp(-1, 1), atol=1e-5)


def test_remember_is_predict_without_the_action(policy):
    rng = np.random.default_rng(0)
    context = state = None
    for _ in range(6):
        observation = rng.normal(size=(2, OBSERVATION)).astype(np.float32)
        context = policy.remember(observation, context)
        _, state = policy.predict(observation, state)
    np.testing.assert_array_equal(context.observations, state.observations)
    np.testing.assert_array_equal(context.length, state.length)


def test_dropout_acts_in_training_only(policy):
    observation = torch.randn(2, BLOCK, OBSERVATION)
    assert torch.equal(policy(observation), policy(observation))
    policy.train()
    assert not torch.equal(policy(observation), policy(observation))


def test_initial_actions_are_small():
    gpt = GPT(observation=OBSERVATION, embedding=64, layers=2, heads=2).eval()
    assert gpt(torch.randn(8, 32, OBSERVATION)).abs().mean() < 0.3
    assert gpt.head.bias is None
