"""What the policies learned from rollouts have in common."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mocapact_core.humanoid.observables import side_by_side

N_ACTIONS = 56
N_PROPRIOCEPTION = 205
"""Features of BASE, the first ones of HIGH_LEVEL and TIME_INDEX."""
ACTION_STD = 0.1
"""Standard deviation of actions where the network does not tell it (paper section 5.1.1)."""
MIN_STD = 0.01
"""Smallest standard deviation to divide by. The data of one motion leaves some features constant (a touch
sensor of a hand); without a floor they would dominate as soon as they move."""
MAX_NORMALISED = 10.0
"""Normalised features are clipped here, as VecNormalize does for the experts."""


class Normaliser(nn.Module):
    """(observation - mean) / standard deviation of the dataset, saved with the policy as buffers.

    Args:
        size: features.
        limit: largest magnitude of a normalised feature; None: there is no limit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, limit: float | None = MAX_NORMALISED):
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def set(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Take over dataset statistics, both (size,)."""
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(np.sqrt(variance)).clamp(min=MIN_STD))

    def forward(self, observation: Tensor) -> Tensor:
        """(..., n) to (..., n), where n may be fewer than all features: then they are the first ones."""
        n = observation.shape[-1]
        normalised = (observation - self.mean[:n]).div_(self.std[:n])  # in place: sequences are large
        return normalised if self.limit is None else normalised.clamp_(-self.limit, self.limit)


class Policy(nn.Module):
    """A network that acts on one flat observation, with all that is needed to use it elsewhere.

    Attributes:
        observables: names of the observables, in the order in which their features are concatenated.
        ref_steps: future steps of the reference that reference observables show; empty without a reference.
        sizes: the keyword arguments that build the network again, plain JSON.
        normaliser: of the observation.
    """

    def __init__(self, observables: Sequence[str], ref_steps: Sequence[int], observation: int, **sizes):
        super().__init__()
        self.observables = tuple(observables)
        self.ref_steps = tuple(ref_steps)
        self.sizes = {"observation": observation, **sizes}
        self.normaliser = Normaliser(observation, sizes.get("max_normalised", MAX_NORMALISED))
        self.seed(0)

    @property
    def device(self) -> torch.device:
        return self.normaliser.mean.device

    def seed(self, seed: int) -> None:
        """Seed what `predict` samples from: on the CPU, so that samples do not depend on the device."""
        self.generator = torch.Generator().manual_seed(seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """Act as stable-baselines3's policies do.

        Args:
            observation: (n, observation) float array, not normalised; or a dict of arrays (n, size) by
                observable, with the prefix `walker/`.
            state: what the last call returned, or None at the very beginning.
            episode_start: (n,) bool, where an episode begins: there the state is forgotten. None: nowhere.
            deterministic: the action is the mean, without noise.

        Returns:
            actions (n, 56) in [-1, 1] float32, and the state for the next call.
        """
        raise NotImplementedError

    def tensor(self, array: np.ndarray) -> Tensor:
        """As float32 where the policy is."""
        return torch.as_tensor(array, dtype=torch.float32, device=self.device)

    def _noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)


class GaussianPolicy(Policy):
    """A policy without memory: what it sees tells a Gaussian distribution of actions."""

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the actions, each (..., 56).

        Args:
            observation: (..., observation), not normalised.
        """
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """See `Policy.predict`. The state is None."""
        action, std = self(self.tensor(side_by_side(observation, self.observables)))
        if not deterministic:
            action = action + std * self._noise(*action.shape)
        return clip_actions(action), None


def hidden_layers(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Linear layers, each followed by layer norm and ELU (paper, appendix B.2)."""
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.LayerNorm(units), nn.ELU()]
        inputs = units
    return nn.Sequential(*layers)


def multilayer(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with layer norm and ELU between them."""
    return nn.Sequential(*hidden_layers(inputs, hidden), nn.Linear([inputs, *hidden][-1], outputs))


def best_device() -> str:
    """The GPU where there is one. Results on a GPU are not the CPU's to the bit."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Let torch use `n` threads in the body."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def clip_actions(actions: Tensor) -> np.ndarray:
    """To the range of the actuators, as a numpy array."""
    return actions.clamp(-1.0, 1.0).cpu().numpy()
