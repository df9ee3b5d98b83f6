"""The NPMP against plain loops over its layers."""

import numpy as np
import pytest
import torch

from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL
from mocapact_core.policies.modules import MIN_STD
from mocapact_core.policies.npmp import ACTION_STD, N_PROPRIOCEPTION, NPMP

OBSERVATION, INTENTION = 230, 4


@pytest.fixture
def policy():
    torch.manual_seed(3)
    npmp = NPMP(observation=OBSERVATION, intention=INTENTION, encoder=[16, 8], decoder=[12])
    rng = np.random.default_rng(0)
    npmp.normaliser.set(rng.normal(size=OBSERVATION), rng.uniform(0.5, 2, OBSERVATION))
    return npmp


@pytest.fixture
def observation():
    return np.random.default_rng(1).normal(size=(5, OBSERVATION)).astype(np.float32)


def test_decoder_observables_are_a_prefix_of_the_encoder_observables():
    assert HIGH_LEVEL[: len(BASE)] == BASE


def test_full_size_has_the_layers_of_the_paper():
    with torch.device("meta"):
        linear = [m for m in NPMP().modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [
        (1291 + 60, 1024),
        (1024, 1024),
        (1024, 120),
        (205 + 60, 1024),
        (1024, 1024),
        (1024, 1024),
        (1024, 56),
    ]


def test_encode_is_the_encoder_on_the_concatenated_input(policy, observation):
    observation = torch.as_tensor(observation)
    previous = torch.randn(5, INTENTION)
    mean, log_variance = policy.encode(observation, previous)
    scaled = (observation - policy.normaliser.mean) / policy.normaliser.std
    expected = policy.encoder(torch.cat([scaled, previous], dim=1))
    torch.testing.assert_close(torch.cat([mean, log_variance], dim=1), expected)


def test_unroll_is_encode_and_decode_step_by_step(policy):
    observation, first = torch.randn(3, 7, OBSERVATION), torch.randn(3, INTENTION)
    noise = torch.randn(3, 7, INTENTION)
    unrolled = policy.unroll(observation, first, noise)
    intention = first
    for t in range(7):
        torch.testing.assert_close(unrolled.previous[:, t], intention)
        mean, log_variance = policy.encode(observation[:, t], intention)
        intention = mean + log_variance.exp().sqrt() * noise[:, t]
        torch.testing.assert_close(unrolled.mean[:, t], mean)
        torch.testing.assert_close(unrolled.log_variance[:, t], log_variance)
        torch.testing.assert_close(unrolled.intention[:, t], intention)
        action = policy.decode(observation[:, t, :N_PROPRIOCEPTION], intention)
        torch.testing.assert_close(unrolled.action[:, t], action)


def test_gradients_flow_through_the_intention_to_earlier_steps(policy):
    observation = torch.randn(1, 3, OBSERVATION)
    first = torch.randn(1, INTENTION, requires_grad=True)
    unrolled = policy.unroll(observation, first, torch.zeros(1, 3, INTENTION))
    (gradient,) = torch.autograd.grad(unrolled.action[:, -1].sum(), first)
    assert gradient.abs().sum() > 0


def test_predict_without_noise_is_the_mean_path(policy, observation):
    state = None
    previous = torch.zeros(5, INTENTION)
    for _ in range(3):
        action, state = policy.predict(observation, state, intention_noise=False)
        previous, _ = policy.encode(torch.as_tensor(observation), previous)
        expected = policy.decode(torch.as_tensor(observation[:, :N_PROPRIOCEPTION]), previous)
        np.testing.assert_allclose(action, expected.detach().clamp(-1, 1), atol=1e-6)
        assert action.dtype == np.float32
        assert action.shape == (5, 56)


def test_deterministic_keeps_the_noise_of_the_intention(policy, observation):
    actions = [policy.predict(observation)[0] for _ in range(2)]
    assert np.abs(actions[0] - actions[1]).max() > 1e-4
    quiet = [policy.predict(observation, intention_noise=False)[0] for _ in range(2)]
    np.testing.assert_array_equal(*quiet)


def test_noise_has_the_distributions_of_the_paper(policy):
    n = 4000
    observation = np.tile(np.random.default_rng(1).normal(size=OBSERVATION).astype(np.float32), (n, 1))
    first = np.zeros((n, INTENTION), np.float32)
    _, intention = policy.predict(observation, first)
    mean, log_variance = policy.encode(torch.as_tensor(observation[:1]), torch.zeros(1, INTENTION))
    std = torch.exp(0.5 * log_variance).detach().numpy()[0]
    np.testing.assert_allclose(intention.mean(0), mean.detach()[0], atol=5 * std.max() / np.sqrt(n))
    np.testing.assert_allclose(intention.std(0), std, rtol=0.06)
    policy.decoder[-1].weight.data.mul_(0.1)  # far from the limits, so that nothing is clipped
    policy.decoder[-1].bias.data.mul_(0.1)
    noisy, _ = policy.predict(observation, first, deterministic=False, intention_noise=False)
    assert np.std(noisy, axis=0).mean() == pytest.approx(ACTION_STD, rel=0.02)


def test_first_intention_is_standard_normal(policy):
    start = policy._previous(20_000, None, None, noise=True).numpy()
    assert abs(start.mean()) < 0.02
    assert start.std() == pytest.approx(1, abs=0.02)


def test_seed_makes_predictions_repeatable(policy, observation):
    results = []
    for _ in range(2):
        policy.seed(7)
        results.append(policy.predict(observation, deterministic=False)[0])
    np.testing.assert_array_equal(*results)
    policy.seed(8)
    assert not np.array_equal(policy.predict(observation, deterministic=False)[0], results[0])


def test_episode_start_forgets_only_there(policy, observation):
    state = np.full((5, INTENTION), 2.0, np.float32)
    start = np.array([True, False, False, True, False])
    _, mixed = policy.predict(observation, state, start, intention_noise=False)
    _, kept = policy.predict(observation, state, intention_noise=False)
    _, fresh = policy.predict(observation, None, intention_noise=False)
    np.testing.assert_allclose(mixed, np.where(start[:, None], fresh, kept), atol=1e-6)
    assert (state == 2.0).all(), "the caller's state must not change"


def test_act_is_decode_for_arrays(policy, observation):
    intention = np.random.default_rng(2).normal(size=(5, INTENTION)).astype(np.float32)
    proprioception = observation[:, :N_PROPRIOCEPTION]
    expected = policy.decode(torch.as_tensor(proprioception), torch.as_tensor(intention))
    action = policy.act(proprioception, intention)
    np.testing.assert_allclose(action, expected.detach().clamp(-1, 1), atol=1e-6)


def test_constant_features_do_not_explode(policy):
    policy.normaliser.set(np.zeros(OBSERVATION), np.zeros(OBSERVATION))
    assert policy.normaliser.std.min() == pytest.approx(MIN_STD)
    assert policy.normaliser(torch.ones(1, OBSERVATION)).abs().max() <= 10
