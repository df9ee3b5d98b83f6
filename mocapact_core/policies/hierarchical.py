"""Hierarchical MLP: the NPMP without memory and chance.

An encoder turns the reference into an intention, a decoder that sees nothing of the reference acts on it. Nothing but
its size limits what the intention tells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mocapact_core.humanoid.observables import HIGH_LEVEL
from mocapact_core.policies.modules import (
    ACTION_STD,
    N_ACTIONS,
    N_PROPRIOCEPTION,
    GaussianPolicy,
    multilayer,
)


class Hierarchical(GaussianPolicy):
    """See the module.

    Args:
        observables: the encoder's; the decoder's (BASE) are the first of them.
        ref_steps: future steps in the reference observables.
        observation: features of the observation, 1291 with five reference steps.
        intention: size of the intention.
        encoder: units of the hidden layers.
        decoder: units of the hidden layers.
    """

    def __init__(
        self,
        observables: Sequence[str] = HIGH_LEVEL,
        ref_steps: Sequence[int] = (1, 2, 3, 4, 5),
        observation: int = 1291,
        intention: int = 60,
        encoder: Sequence[int] = (1024, 1024),
        decoder: Sequence[int] = (1024, 1024, 1024),
    ):
        sizes = {"intention": intention, "encoder": list(encoder), "decoder": list(decoder)}
        super().__init__(observables, ref_steps, observation, **sizes)
        self.encoder = multilayer(observation, encoder, intention)
        self.decoder = multilayer(N_PROPRIOCEPTION + intention, decoder, N_ACTIONS)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """See `GaussianPolicy.forward`."""
        normalised = self.normaliser(observation)
        proprioception, intention = normalised[..., :N_PROPRIOCEPTION], self.encoder(normalised)
        mean = self.decoder(torch.cat([proprioception, intention], dim=-1))
        return mean, torch.full_like(mean, ACTION_STD)
