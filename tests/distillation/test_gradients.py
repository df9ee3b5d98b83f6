"""Gradients of whole losses, through each kind of network: finite differences, and plain recurrence."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from mocapact_core.distillation.objective import (
    gaussian_log_likelihood,
    mean_squared_error,
    multi_step_objective,
)
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.modules import ACTION_STD, N_PROPRIOCEPTION, Policy
from mocapact_core.policies.npmp import NPMP

B, T, Z, OBSERVATION = 2, 4, 2, 206
BETA = 0.1


@pytest.fixture
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "observations": draw(B, T, OBSERVATION),
        "mean_actions": 0.3 * draw(B, T, 56),
        "weights": draw(B, T).exp(),
        "first": draw(B, Z),
        "noise": draw(B, T, Z),
    }


def npmp_loss(alpha: float) -> Callable[[NPMP, dict[str, Tensor]], Tensor]:
    def loss(policy: NPMP, batch: dict[str, Tensor]) -> Tensor:
        unrolled = policy.unroll(batch["observations"], batch["first"], batch["noise"])
        return multi_step_objective(unrolled, batch["mean_actions"], batch["weights"], BETA, alpha).total

    return loss


def gaussian_loss(policy: Policy, batch: dict[str, Tensor]) -> Tensor:
    likelihood = gaussian_log_likelihood(batch["mean_actions"], *policy(batch["observations"]))
    return (batch["weights"] * likelihood).sum(dim=1).mean()


def gpt_loss(policy: GPT, batch: dict[str, Tensor]) -> Tensor:
    return mean_squared_error(policy(batch["observations"]), batch["mean_actions"])


KINDS = {
    "npmp": (lambda: NPMP(observation=OBSERVATION, intention=Z, encoder=[5], decoder=[4]), npmp_loss(0.0)),
    "npmp, alpha": (
        lambda: NPMP(observation=OBSERVATION, intention=Z, encoder=[5, 3], decoder=[4]),
        npmp_loss(0.95),
    ),
    "mlp": (lambda: MLP(observation=OBSERVATION, hidden=[4]), gaussian_loss),
    "hierarchical": (
        lambda: Hierarchical(observation=OBSERVATION, intention=Z, encoder=[4], decoder=[3]),
        gaussian_loss,
    ),
    "mcp": (
        lambda: MCP(observation=OBSERVATION, primitives=3, gating=[4], shared=[3], own=[2]),
        gaussian_loss,
    ),
    "gpt": (lambda: GPT(observation=OBSERVATION, block=T, embedding=4, layers=2, heads=2).eval(), gpt_loss),
}


class Whole(nn.Module):
    """A policy and its loss as one module, to be called with other parameters."""

    def __init__(self, policy: Policy, loss: Callable[[Policy, dict[str, Tensor]], Tensor]):
        super().__init__()
        self.policy, self.loss = policy, loss

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.loss(self.policy, batch)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_all_parameters_are_finite_differences(kind, batch):
    torch.manual_seed(1)
    make, loss = KINDS[kind]
    whole = Whole(make().double(), loss)
    names, parameters = zip(*whole.named_parameters(), strict=True)

    def value(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(whole, dict(zip(names, parameters, strict=True)), (batch,))

    assert torch.autograd.gradcheck(value, parameters, fast_mode=True)
    gradients = torch.autograd.grad(value(*parameters), parameters)
    assert all(gradient.abs().max() > 0 for gradient in gradients), "every parameter matters"


@pytest.mark.parametrize("alpha", [0.0, 0.95])
def test_the_npmp_learns_what_plain_recurrence_teaches(alpha, batch):
    """Step by step with encode and decode, the objective written out with torch.distributions: same value, same gradient."""
    torch.manual_seed(2)
    policy = NPMP(observation=OBSERVATION, intention=Z, encoder=[7, 5], decoder=[6]).double()
    total, intention = torch.zeros(()), batch["first"]
    for t in range(T):
        previous, observation = intention, batch["observations"][:, t]
        mean, log_variance = policy.encode(observation, previous)
        encoder = Normal(mean, (0.5 * log_variance).exp())
        intention = encoder.mean + encoder.stddev * batch["noise"][:, t]
        decoder = Normal(policy.decode(observation[:, :N_PROPRIOCEPTION], intention), ACTION_STD)
        prior = Normal(alpha * previous, (1 - alpha**2) ** 0.5)
        log_likelihood = decoder.log_prob(batch["mean_actions"][:, t]).sum(dim=1)
        kl = kl_divergence(encoder, prior).sum(dim=1)
        total = total + (batch["weights"][:, t] * log_likelihood - BETA * kl).mean()
    objective = npmp_loss(alpha)(policy, batch)
    torch.testing.assert_close(objective, total, rtol=1e-12, atol=0)
    parameters = list(policy.parameters())
    for ours, expected in zip(
        torch.autograd.grad(objective, parameters), torch.autograd.grad(total, parameters), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
