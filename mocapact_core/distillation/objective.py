"""What policies are trained for: the multi-step imitation objective (paper section 5.1.1), and GPT's loss."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mocapact_core.policies.modules import ACTION_STD
from mocapact_core.policies.npmp import Unrolled


class Objective(NamedTuple):
    """The objective and its terms, scalars."""

    total: Tensor
    """To maximise: the sum over the steps of a sequence, the mean over sequences."""
    log_likelihood: Tensor
    """Weighted log-likelihood of the expert's mean actions, mean of a step."""
    kl: Tensor
    """KL divergence from the prior, not yet times beta, mean of a step."""


def multi_step_objective(
    unrolled: Unrolled, mean_actions: Tensor, weights: Tensor, beta: float, alpha: float
) -> Objective:
    """sum_t [ w_c(s_t, a_t) log pi_dec(a_t | s_t, z_t) - beta KL(pi_enc(z_t | ...) || p(z_t | z_{t-1})) ].

    Args:
        mean_actions: (B, T, 56) the expert's mean actions.
        weights: (B, T) w_c, 1 on average.
        beta: weight of the KL divergence.
        alpha: autoregressive parameter of the prior, in [0, 1).
    """
    log_likelihood = weights * gaussian_log_likelihood(mean_actions, unrolled.action, ACTION_STD)
    kl = kl_from_prior(unrolled.mean, unrolled.log_variance, unrolled.previous, alpha)
    total = (log_likelihood - beta * kl).sum(dim=1).mean()
    return Objective(total, log_likelihood.mean(), kl.mean())


def gaussian_log_likelihood(x: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """log N(x; mean, diag(std^2)), (..., n) to (...); a number as `std` counts for all elements."""
    n = x.shape[-1]
    log_volume = std.log().sum(dim=-1) if isinstance(std, Tensor) else n * math.log(std)
    scaled = ((x - mean) / std).square().sum(dim=-1)
    return -0.5 * scaled - log_volume - n * 0.5 * math.log(2 * math.pi)


def kl_from_prior(mean: Tensor, log_variance: Tensor, previous: Tensor, alpha: float) -> Tensor:
    """KL(N(mean, variance) || N(alpha z_{t-1}, (1 - alpha^2) I)), (..., Z) to (...).

    Args:
        previous: (..., Z) z_{t-1}. With alpha = 0 it does not matter and the prior is N(0, I).
    """
    prior_variance = 1 - alpha**2
    spread = (log_variance.exp() + (mean - alpha * previous).square()) / prior_variance
    return 0.5 * (spread - 1 - log_variance + math.log(prior_variance)).sum(dim=-1)


def mean_squared_error(actions: Tensor, mean_actions: Tensor) -> Tensor:
    """The GPT's loss (paper section 5.2): over sequences, steps and action elements."""
    return torch.nn.functional.mse_loss(actions, mean_actions)
