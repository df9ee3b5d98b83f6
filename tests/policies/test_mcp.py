"""The product of Gaussians against the product itself, normalised numerically."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from mocapact_core.distillation.objective import gaussian_log_likelihood
from mocapact_core.policies.mcp import compose

MEANS = np.array([-0.4, 0.1, 0.7])
STDS = np.array([0.3, 0.15, 0.5])


@pytest.mark.parametrize("weights", [[0.9, 0.2, 0.5], [1.0, 1.0, 1.0], [0.01, 0.02, 0.9]])
def test_log_likelihood_is_that_of_the_normalised_product(weights):
    x = np.linspace(-12, 12, 200_001)
    densities = np.exp(-0.5 * ((x - MEANS[:, None]) / STDS[:, None]) ** 2) / STDS[:, None]
    product = np.prod(densities ** np.array(weights)[:, None], axis=0)
    product /= np.trapezoid(product, x)
    log_weights, means, stds = (torch.tensor(array).double() for array in (np.log(weights), MEANS, STDS))
    mean, std = compose(log_weights, means[:, None], stds[:, None])
    chosen = slice(80_000, 120_000, 1000)
    log_likelihood = gaussian_log_likelihood(torch.as_tensor(x[chosen])[:, None], mean, std)
    np.testing.assert_allclose(log_likelihood, np.log(product[chosen]), atol=1e-6)


def test_equal_gaussians_whose_weights_add_up_to_1_are_their_product():
    mean, std = torch.randn(5, 1, 4).expand(5, 3, 4), torch.rand(5, 1, 4).add(0.1).expand(5, 3, 4)
    weights = torch.rand(5, 3).softmax(dim=-1)
    torch.testing.assert_close(compose(weights.log(), mean, std), (mean[:, 0], std[:, 0]))


def test_tiny_weights_leave_numbers():
    means, stds = torch.tensor([[0.2], [0.6]]), torch.tensor([[0.1], [0.1]])
    mean, std = compose(torch.tensor([-100.0, -100.0]), means, stds)
    torch.testing.assert_close(mean, torch.tensor([0.4]))
    assert std.isfinite().all()


def test_sum_of_weighted_log_likelihoods_differs_by_a_constant_only():
    """What the product means: log-likelihoods of the primitives, weighted and added."""
    torch.manual_seed(0)
    weights, x = torch.rand(2, 3).double(), torch.randn(10, 2, 4).double()
    means, stds = torch.randn(2, 3, 4).double(), torch.rand(2, 3, 4).double() + 0.1
    mean, std = compose(weights.log(), means, stds)
    added = (weights[:, :, None] * Normal(means, stds).log_prob(x[:, :, None])).sum(dim=(2, 3))
    difference = gaussian_log_likelihood(x, mean, std) - added
    torch.testing.assert_close(difference, difference[:1].expand_as(difference))
