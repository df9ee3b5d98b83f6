"""NPMP: an encoder that turns the reference into a motor intention, and a decoder that acts on it.

Neural probabilistic motor primitives (paper section 5.1, after Merel et al. 2019): the encoder
pi_enc(z_t | s_t, s_t^ref, z_{t-1}) is recurrent and stochastic, the decoder pi_dec(a_t | s_t, z_t) sees
nothing of the reference, so that it can be used again for other tasks.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapact_core.humanoid.observables import HIGH_LEVEL, side_by_side
from mocapact_core.policies.modules import (
    ACTION_STD,
    MAX_NORMALISED,
    N_ACTIONS,
    N_PROPRIOCEPTION,
    Policy,
    clip_actions,
    multilayer,
)


class Unrolled(NamedTuple):
    """The policy along sequences of T steps: what the multi-step objective is made of."""

    action: Tensor
    """(B, T, 56) mean actions."""
    mean: Tensor
    """(B, T, Z) of the intention."""
    log_variance: Tensor
    """(B, T, Z) of the intention."""
    intention: Tensor
    """(B, T, Z) the samples."""
    previous: Tensor
    """(B, T, Z) the samples one step before."""


class NPMP(Policy):
    """See the module.

    Args:
        observables: the encoder's; the decoder's (BASE) are the first of them.
        ref_steps: future steps in the reference observables.
        observation: features of the observation, 1291 with five reference steps.
        intention: size of z.
        encoder: units of the hidden layers.
        decoder: units of the hidden layers.
        max_normalised: largest magnitude of a normalised feature; None, as in MoCapAct: there is no limit.
    """

    def __init__(
        self,
        observables: Sequence[str] = HIGH_LEVEL,
        ref_steps: Sequence[int] = (1, 2, 3, 4, 5),
        observation: int = 1291,
        intention: int = 60,
        encoder: Sequence[int] = (1024, 1024),
        decoder: Sequence[int] = (1024, 1024, 1024),
        max_normalised: float | None = MAX_NORMALISED,
    ):
        sizes = {"intention": intention, "encoder": list(encoder), "decoder": list(decoder)}
        super().__init__(observables, ref_steps, observation, max_normalised=max_normalised, **sizes)
        self.intention_size = intention
        self.encoder = multilayer(observation + intention, encoder, 2 * intention)
        self.decoder = multilayer(N_PROPRIOCEPTION + intention, decoder, N_ACTIONS)

    def encode(self, observation: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """The distribution of the intention.

        Args:
            observation: (..., observation), not normalised.
            previous: (..., Z) intention of the step before.

        Returns:
            mean and logarithm of the variance, each (..., Z).
        """
        return self._encode(self._first_layer(self.normaliser(observation)), previous)

    def decode(self, proprioception: Tensor, intention: Tensor) -> Tensor:
        """The mean action (..., 56) for proprioception (..., 205), not normalised, and intention (..., Z)."""
        return self.decoder(torch.cat([self.normaliser(proprioception), intention], dim=-1))

    def unroll(self, observation: Tensor, first: Tensor, noise: Tensor) -> Unrolled:
        """The policy along sequences, differentiable through time.

        Only the intention passes from step to step, so all else is computed for all steps at once.

        Args:
            observation: (B, T, observation), not normalised.
            first: (B, Z) intention before the first step, z_0.
            noise: (B, T, Z) standard normal samples.
        """
        normalised = self.normaliser(observation)
        means, log_variances, intentions = [], [], [first]
        for features, sample in zip(self._first_layer(normalised).unbind(1), noise.unbind(1), strict=True):
            mean, log_variance = self._encode(features, intentions[-1])
            means.append(mean)
            log_variances.append(log_variance)
            intentions.append(mean + torch.exp(0.5 * log_variance) * sample)
        intention = torch.stack(intentions[1:], dim=1)
        action = self.decoder(torch.cat([normalised[..., :N_PROPRIOCEPTION], intention], dim=-1))
        return Unrolled(
            action,
            torch.stack(means, dim=1),
            torch.stack(log_variances, dim=1),
            intention,
            torch.stack(intentions[:-1], dim=1),
        )

    @torch.no_grad()
    def predict(self, observation, state=None, episode_start=None, deterministic=True, intention_noise=True):
        """See `Policy.predict`. The state is the intention, (n, Z).

        As in the paper's evaluation (Table 2), `deterministic` is about the decoder alone.

        Args:
            intention_noise: sample the intention; else take its mean, and begin at 0.
        """
        observation = self.tensor(side_by_side(observation, self.observables))
        previous = self._previous(len(observation), state, episode_start, intention_noise)
        intention, log_variance = self.encode(observation, previous)
        if intention_noise:
            intention = intention + torch.exp(0.5 * log_variance) * self._noise(*intention.shape)
        action = self.decode(observation[:, :N_PROPRIOCEPTION], intention)
        if not deterministic:
            action = action + ACTION_STD * self._noise(*action.shape)
        return clip_actions(action), intention.cpu().numpy()

    def act(self, proprioception: np.ndarray, intention: np.ndarray) -> np.ndarray:
        """`decode` for numpy arrays, clipped to [-1, 1]: the low-level policy of other tasks."""
        with torch.no_grad():
            return clip_actions(self.decode(self.tensor(proprioception), self.tensor(intention)))

    def _previous(self, n, state, episode_start, noise) -> Tensor:
        """(n, Z) the intention to go on from; z_0 ~ N(0, I) where an episode begins, as in training."""
        fresh = np.ones(n, bool) if state is None else np.asarray(episode_start, bool)
        previous = self.tensor(np.zeros((n, self.intention_size)) if state is None else state.copy())
        if episode_start is not None or state is None:
            start = self._noise(int(fresh.sum()), self.intention_size)
            previous[fresh] = start if noise else 0.0
        return previous

    def _first_layer(self, normalised: Tensor) -> Tensor:
        """What the observation contributes to the first layer of the encoder."""
        layer = cast(nn.Linear, self.encoder[0])
        return functional.linear(normalised, layer.weight[:, : -self.intention_size], layer.bias)

    def _encode(self, features: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        weight = cast(nn.Linear, self.encoder[0]).weight[:, -self.intention_size :]
        mean, log_variance = self.encoder[1:](features + functional.linear(previous, weight)).chunk(2, dim=-1)
        return mean, log_variance
