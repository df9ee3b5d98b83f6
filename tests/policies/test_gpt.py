"""The GPT against attention written out, and its context against plain lists."""

import math

import numpy as np
import pytest
import torch

from mocapact_core.policies import onednn
from mocapact_core.policies.gpt import FEWEST_ROWS, GPT, Attention

OBSERVATION, BLOCK = 10, 6


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


def random_observation(rng, n=3):
    return rng.normal(size=(n, OBSERVATION)).astype(np.float32)


def full_computation(policy, windows):
    """Actions after lists of observations, each computed by itself and without memory."""
    with torch.no_grad():
        actions = [policy(torch.as_tensor(np.stack(window))[None])[0, -1] for window in windows]
    return torch.stack(actions).clamp(-1, 1).numpy()


@pytest.mark.parametrize("stride", [1, 2, 5, BLOCK])
def test_predict_sees_the_last_observations_of_each_episode(policy, stride):
    policy.window_stride = stride
    rng = np.random.default_rng(0)
    windows: list[list[np.ndarray]] = [[], [], []]
    state, lengths = None, set()
    for t in range(25):
        observation = random_observation(rng)
        start = np.array([t == 0, t in (0, 3), t in (0, 9, 10)])  # lengths 25; 3 and 22; 9, 1 and 15
        for i in range(3):
            before = [] if start[i] else windows[i]
            windows[i] = [*before[stride if len(before) == BLOCK else 0 :], observation[i]]
        actions, state = policy.predict(observation, state, start)
        np.testing.assert_allclose(actions, full_computation(policy, windows), atol=2e-6)
        lengths.add(len(windows[0]))
        assert state.length.tolist() == [len(window) for window in windows]
    assert lengths == set(range(1, BLOCK + 1))


def test_stride_1_sees_all_that_it_can(policy):
    state = None
    for t in range(12):
        _, state = policy.predict(np.zeros((1, OBSERVATION), np.float32), state)
        assert state.length.tolist() == [min(t + 1, BLOCK)]


def test_some_episodes_act_and_others_only_remember(policy):
    """As in motion completion: GPT takes over in one episode after the other, and episodes end."""
    policy.window_stride = 3
    rng = np.random.default_rng(0)
    windows: list[list[np.ndarray]] = [[], [], [], []]
    context = None
    for t in range(20):
        observation = random_observation(rng, len(windows))
        windows = [
            [*window[3 if len(window) == BLOCK else 0 :], one]
            for window, one in zip(windows, observation, strict=True)
        ]
        context = policy.remember(observation, context)
        acting = np.arange(len(windows)) * 3 <= t
        actions, context = policy.act(context, acting)
        expected = full_computation(policy, windows) * acting[:, None]
        np.testing.assert_allclose(actions, expected, atol=2e-6)
        if t == 12:
            staying = np.array([True, False, True, True])
            windows = [window for window, stays in zip(windows, staying, strict=True) if stays]
            context = context.part(staying)


def test_one_can_go_on_twice_from_the_same_state(policy):
    """Memory is written in place, but what a state stands for does not change by that."""
    policy.window_stride = 3
    rng = np.random.default_rng(0)
    state = None
    for _ in range(3):
        _, state = policy.predict(random_observation(rng), state)
    ways = [[random_observation(rng) for _ in range(2)] for _ in range(2)]
    afterwards = []
    for one, other in ways:
        _, middle = policy.predict(one, state)
        afterwards.append(policy.predict(other, middle)[0])
    for (one, other), actions in zip(ways, afterwards, strict=True):
        windows = [[*state.observations[i, :3], one[i], other[i]] for i in range(3)]
        np.testing.assert_allclose(actions, full_computation(policy, windows), atol=2e-6)


def test_what_is_known_is_not_computed_again(policy):
    tokens: list[int] = []
    policy.token.register_forward_hook(lambda _, inputs, output: tokens.append(output.shape[:2].numel()))
    rng = np.random.default_rng(0)
    for stride, counts in ((1, [1, 1, 1, 1, 1, 1, 6, 6, 6]), (3, [1, 1, 1, 1, 1, 1, 4, 1, 1, 4, 1, 1])):
        policy.window_stride, state = stride, None
        tokens.clear()
        for _ in counts:
            _, state = policy.predict(random_observation(rng, FEWEST_ROWS), state)
        assert tokens == [FEWEST_ROWS * count for count in counts]


@pytest.mark.skipif(not onednn.AVAILABLE, reason="other matrix products depend on the number of rows")
@pytest.mark.parametrize("stride", [1, 8])
def test_what_an_episode_does_does_not_depend_on_the_others_to_the_bit(stride):
    torch.manual_seed(0)
    policy = GPT(observation=OBSERVATION, block=20, embedding=64, layers=2, heads=4).eval()
    onednn.use_onednn(policy)
    policy.window_stride = stride
    rng = np.random.default_rng(0)
    observations = [random_observation(rng, 40) for _ in range(30)]
    starts = [rng.random(40) < 0.05 for _ in observations]

    def actions(episodes):
        state, taken = None, []
        for observation, start in zip(observations, starts, strict=True):
            action, state = policy.predict(observation[episodes], state, start[episodes])
            taken.append(action)
        return np.array(taken)

    together = actions(np.arange(40))
    for episodes in ([3], [7, 1], list(range(5, 18)), list(range(2, 39))):
        np.testing.assert_array_equal(actions(episodes), together[:, episodes])


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
