"""MLP: the plain network from what is observed to an action, the baseline of all others.

With the observables TIME_INDEX it is a snippet expert's network (paper section 4.1). As the time in the clip does
not tell which clip it is, one for several clips is weak by design. With HIGH_LEVEL it sees the reference.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mocapact_core.humanoid.observables import HIGH_LEVEL
from mocapact_core.policies.modules import ACTION_STD, N_ACTIONS, GaussianPolicy, multilayer


class MLP(GaussianPolicy):
    """See the module.

    Args:
        observables: HIGH_LEVEL or TIME_INDEX.
        ref_steps: future steps in the reference observables; empty with TIME_INDEX.
        observation: features of the observation: 1291 with five reference steps, 206 with TIME_INDEX.
        hidden: units of the hidden layers.
    """

    def __init__(
        self,
        observables: Sequence[str] = HIGH_LEVEL,
        ref_steps: Sequence[int] = (1, 2, 3, 4, 5),
        observation: int = 1291,
        hidden: Sequence[int] = (1024, 1024, 1024),
    ):
        super().__init__(observables, ref_steps, observation, hidden=list(hidden))
        self.network = multilayer(observation, hidden, N_ACTIONS)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """See `GaussianPolicy.forward`."""
        mean = self.network(self.normaliser(observation))
        return mean, torch.full_like(mean, ACTION_STD)
