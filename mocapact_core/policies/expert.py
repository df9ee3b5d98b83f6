"""Snippet experts: time-indexed Gaussian policies (paper section 4.1), ours and those that MoCapAct published."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mocapact_core.humanoid.observables import TIME_INDEX, side_by_side
from mocapact_core.policies.folder import MODEL, NORMALIZER, is_plain
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.policies.parameters import Layer, Parameters, read_parameters
from mocapact_core.policies.published import read_published


class Expert(nn.Module):
    """Mean action and value of a snippet expert.

    Attributes:
        observables: the inputs, in order: 206 numbers.
        std: (56,) standard deviation of the actions.
        data: all its numbers.
    """

    observables = TIME_INDEX

    def __init__(self, parameters: Parameters):
        super().__init__()
        known = parameters.normaliser
        self.data = parameters
        self.policy = _network(parameters.networks["policy"])
        self.value_network = _network(parameters.networks["value"])
        self.mean = nn.Buffer(torch.as_tensor(known.mean, dtype=torch.float64))
        self.scale = nn.Buffer(torch.as_tensor(np.sqrt(known.variance + known.epsilon), dtype=torch.float64))
        self.clip = known.clip
        self.std = parameters.std
        self.value_scale = float(np.sqrt(known.return_variance + known.epsilon))

    @classmethod
    def load(cls, folder: str | PathLike) -> "Expert":
        """Read the expert in `results/experts/<snippet>`, or in a folder of the published model zoo.

        Read are the files that MoCapAct publishes or, without them, expert.safetensors and expert.json.

        Raises:
            InputError: a file is missing, damaged, or not that of an expert.
        """
        folder = Path(folder)
        if is_plain(folder):
            return cls(read_parameters(folder))
        return cls(read_published(folder / MODEL, folder / NORMALIZER))

    def normalize(self, observation: np.ndarray | torch.Tensor) -> torch.Tensor:
        """As VecNormalize does, in float64: of a feature that hardly varies, float32 would leave nothing.

        So experts see what they saw in training. MoCapAct's own loader leaves out the clipping.
        """
        x = torch.as_tensor(observation, dtype=torch.float64)
        return ((x - self.mean) / self.scale).clamp(-self.clip, self.clip).float()

    @torch.no_grad()
    def predict(
        self,
        observation: np.ndarray | Mapping[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Actions in stable-baselines3's manner.

        Args:
            observation: (n, 206), or a dict of arrays by observable, with the prefix `walker/`.
            deterministic: the mean action; otherwise noise is drawn from `rng`.

        Returns:
            (n, 56) actions, and the state, which is None.

        Raises:
            InputError: an observable is missing.
        """
        seen = side_by_side(observation, self.observables)
        action = self.policy(self.normalize(seen)).numpy()
        if not deterministic:
            rng = rng or np.random.default_rng()
            action = action + self.std * rng.standard_normal(action.shape, np.float32)
        return action, None

    @torch.no_grad()
    def value(self, observation: np.ndarray) -> np.ndarray:
        """(n,) discounted return expected from observations (n, 206), in units of the task's reward."""
        return self.value_network(self.normalize(observation))[:, 0].numpy() * self.value_scale


def _network(layers: list[Layer]) -> nn.Sequential:
    """Linear layers with tanh between them."""
    modules: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(weight.shape[1], len(bias), device="meta")  # no time for random weights
        linear.weight = nn.Parameter(torch.as_tensor(weight, dtype=torch.float32))
        linear.bias = nn.Parameter(torch.as_tensor(bias, dtype=torch.float32))
        modules += [linear, nn.Tanh()]
    network = nn.Sequential(*modules[:-1]).requires_grad_(False)
    use_onednn(network)
    return network
