"""MCP: multiplicative compositional policies (Peng et al. 2019, https://arxiv.org/abs/1905.09808).

Primitives are Gaussian policies that see nothing of the reference, so that they can be used again for other tasks. A
gating network that sees it weighs them, and the policy is the product of the primitives, each to the power of its
weight.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapact_core.humanoid.observables import HIGH_LEVEL
from mocapact_core.policies.modules import (
    N_ACTIONS,
    N_PROPRIOCEPTION,
    GaussianPolicy,
    hidden_layers,
    multilayer,
)


class MCP(GaussianPolicy):
    """See the module.

    Args:
        observables: those of the gating network; the primitives' (BASE) are the first of them.
        ref_steps: future steps in the reference observables.
        observation: features of the observation, 1291 with five reference steps.
        primitives: how many.
        gating: units of the hidden layers of the gating network.
        shared: units of the hidden layers that all primitives have in common.
        own: units of the hidden layers of each primitive on top of those.
        min_std: smallest standard deviation of a primitive.
    """

    def __init__(
        self,
        observables: Sequence[str] = HIGH_LEVEL,
        ref_steps: Sequence[int] = (1, 2, 3, 4, 5),
        observation: int = 1291,
        primitives: int = 8,
        gating: Sequence[int] = (512, 512),
        shared: Sequence[int] = (512, 512),
        own: Sequence[int] = (512,),
        min_std: float = 0.01,
    ):
        hidden = {"gating": list(gating), "shared": list(shared), "own": list(own)}
        super().__init__(
            observables, ref_steps, observation, primitives=primitives, min_std=min_std, **hidden
        )
        self.min_std = min_std
        self.gating = multilayer(observation, gating, primitives)
        self.shared = hidden_layers(N_PROPRIOCEPTION, shared)
        features = [N_PROPRIOCEPTION, *shared][-1]
        self.own = nn.ModuleList(multilayer(features, own, 2 * N_ACTIONS) for _ in range(primitives))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """See `GaussianPolicy.forward`."""
        return compose(self.log_weights(observation), *self.primitives(observation[..., :N_PROPRIOCEPTION]))

    def log_weights(self, observation: Tensor) -> Tensor:
        """Logarithms of the weights of the primitives, (..., K), for (..., observation), not normalised.

        Weights lie between 0 and 1 and need not add up to 1.
        """
        return functional.logsigmoid(self.gating(self.normaliser(observation)))

    def primitives(self, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each primitive, (..., K, 56), for (..., 205), not normalised."""
        features = self.shared(self.normaliser(proprioception))
        mean, spread = torch.stack([own(features) for own in self.own], dim=-2).chunk(2, dim=-1)
        return mean, functional.softplus(spread) + self.min_std


def compose(log_weights: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """The product of Gaussians, each to the power of its weight (Peng et al. 2019).

    It is a Gaussian: its precision is the weighted sum of the precisions w_i / std_i^2, its mean that of the means
    by their shares in it. Computed with logarithms, as all weights may be tiny.

    Args:
        log_weights: (..., K)
        mean: (..., K, n) of the K Gaussians.
        std: (..., K, n)

    Returns:
        mean and standard deviation of the product, each (..., n).
    """
    log_precisions = log_weights[..., None] - 2 * std.log()
    shares = log_precisions.softmax(dim=-2)
    return (shares * mean).sum(dim=-2), torch.exp(-0.5 * log_precisions.logsumexp(dim=-2))
