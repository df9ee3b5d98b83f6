"""The terms of the objective against torch.distributions and plain loops."""

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from mocapact_core.distillation.objective import (
    gaussian_log_likelihood,
    kl_from_prior,
    mean_squared_error,
    multi_step_objective,
)
from mocapact_core.policies.npmp import Unrolled

B, T, Z = 3, 5, 4


@pytest.fixture
def unrolled():
    torch.manual_seed(0)
    intention = torch.randn(B, T + 1, Z, dtype=torch.float64)
    return Unrolled(
        action=0.3 * torch.randn(B, T, 56, dtype=torch.float64),
        mean=torch.randn(B, T, Z, dtype=torch.float64),
        log_variance=torch.randn(B, T, Z, dtype=torch.float64),
        intention=intention[:, 1:],
        previous=intention[:, :-1],
    )


def test_log_likelihood_is_that_of_torch(unrolled):
    x = 0.3 * torch.randn(B, T, 56, dtype=torch.float64)
    expected = Independent(Normal(unrolled.action, 0.1), 1).log_prob(x)
    torch.testing.assert_close(gaussian_log_likelihood(x, unrolled.action, 0.1), expected)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95])
def test_kl_is_that_of_torch(unrolled, alpha):
    encoder = MultivariateNormal(unrolled.mean, torch.diag_embed(unrolled.log_variance.exp()))
    prior = MultivariateNormal(alpha * unrolled.previous, (1 - alpha**2) * torch.eye(Z, dtype=torch.float64))
    kl = kl_from_prior(unrolled.mean, unrolled.log_variance, unrolled.previous, alpha)
    torch.testing.assert_close(kl, kl_divergence(encoder, prior))


def test_kl_vanishes_at_the_prior(unrolled):
    previous, alpha = unrolled.previous, 0.95
    log_variance = torch.full_like(previous, 1 - alpha**2).log()
    kl = kl_from_prior(alpha * previous, log_variance, previous, alpha)
    torch.testing.assert_close(kl, torch.zeros_like(kl), atol=1e-12, rtol=0)


def test_without_memory_the_prior_is_standard_normal(unrolled):
    kl = kl_from_prior(unrolled.mean, unrolled.log_variance, unrolled.previous, 0.0)
    elsewhere = kl_from_prior(unrolled.mean, unrolled.log_variance, unrolled.previous + 9, 0.0)
    standard = Normal(torch.zeros((), dtype=torch.float64), 1.0)
    expected = kl_divergence(Normal(unrolled.mean, (0.5 * unrolled.log_variance).exp()), standard).sum(-1)
    torch.testing.assert_close(kl, expected)
    torch.testing.assert_close(kl, elsewhere)


def test_objective_is_the_sum_of_the_paper(unrolled):
    mean_actions = 0.3 * torch.randn(B, T, 56, dtype=torch.float64)
    weights = torch.rand(B, T, dtype=torch.float64) * 2
    beta, alpha = 0.1, 0.6
    objective = multi_step_objective(unrolled, mean_actions, weights, beta, alpha)
    total = likelihoods = kls = 0.0
    for b in range(B):
        for t in range(T):
            log_likelihood = Normal(unrolled.action[b, t], 0.1).log_prob(mean_actions[b, t]).sum()
            std = (0.5 * unrolled.log_variance[b, t]).exp()
            prior = Normal(alpha * unrolled.previous[b, t], (1 - alpha**2) ** 0.5)
            kl = kl_divergence(Normal(unrolled.mean[b, t], std), prior).sum()
            total += weights[b, t] * log_likelihood - beta * kl
            likelihoods += weights[b, t] * log_likelihood
            kls += kl
    torch.testing.assert_close(objective.total, total / B)
    torch.testing.assert_close(objective.log_likelihood, likelihoods / (B * T))
    torch.testing.assert_close(objective.kl, kls / (B * T))


def test_gpt_loss_is_the_mean_over_everything():
    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(mean_squared_error(a, b), ((a - b) ** 2).sum() / 24)
