"""GPT: a transformer that continues motion from the observations of the last second (paper section 5.2).

The architecture is GPT-2's, with a linear embedding of observations instead of tokens and a linear head
for mean actions (paper, appendix B.4).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapact_core.humanoid.observables import HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.policies.modules import MAX_NORMALISED, N_ACTIONS, Policy, clip_actions


class Context(NamedTuple):
    """The last observations of n episodes, the oldest first."""

    observations: np.ndarray
    """(n, block, observation) float32; only the first `length` of each are meaningful."""
    length: np.ndarray
    """(n,) observations so far, at most block."""

    def part(self, episodes: np.ndarray) -> "Context":
        """The context of some of the episodes."""
        return Context(self.observations[episodes], self.length[episodes])


class Attention(nn.Module):
    """Causal multi-head self-attention, (B, T, E) to (B, T, E)."""

    def __init__(self, embedding: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query_key_value = nn.Linear(embedding, 3 * embedding)
        self.project = nn.Linear(embedding, embedding)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.project(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A transformer layer with the normalisation before attention and perceptron, (B, T, E) to (B, T, E)."""

    def __init__(self, embedding: int, heads: int, dropout: float):
        super().__init__()
        self.norm_1 = nn.LayerNorm(embedding)
        self.attention = Attention(embedding, heads, dropout)
        self.norm_2 = nn.LayerNorm(embedding)
        self.expand = nn.Linear(embedding, 4 * embedding)
        self.project = nn.Linear(4 * embedding, embedding)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm_1(x)))
        return x + self.dropout(self.project(functional.gelu(self.expand(self.norm_2(x)))))


class GPT(Policy):
    """See the module.

    Args:
        observables, observation: names and number of features of the observation, 206.
        block: longest context in control steps.
        embedding: features of a token.
        layers, heads: transformer layers, attention heads of each.
        dropout: probability in embedding, attention and residual branches, in training only.
        max_normalised: largest magnitude of a normalised feature; None, as in MoCapAct: there is no limit.
    """

    def __init__(
        self,
        observables: Sequence[str] = HIGH_LEVEL_SANS_REFERENCE,
        ref_steps: Sequence[int] = (),
        observation: int = 206,
        block: int = 32,
        embedding: int = 768,
        layers: int = 8,
        heads: int = 8,
        dropout: float = 0.1,
        max_normalised: float | None = MAX_NORMALISED,
    ):
        sizes = {"block": block, "embedding": embedding, "layers": layers, "heads": heads, "dropout": dropout}
        super().__init__(observables, ref_steps, observation, max_normalised=max_normalised, **sizes)
        self.block = block
        self.token = nn.Linear(observation, embedding)
        self.position = nn.Parameter(torch.zeros(block, embedding))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Block(embedding, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(embedding)
        self.head = nn.Linear(embedding, N_ACTIONS, bias=False)
        self._initialise()

    def forward(self, observation: Tensor) -> Tensor:
        """Mean actions (B, T, 56) for (B, T, observation), not normalised, of at most `block` steps."""
        x = self.token(self.normaliser(observation)) + self.position[: observation.shape[1]]
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))

    def remember(self, observation, context: Context | None, episode_start=None) -> Context:
        """The context with one more observation (n, observation); it begins anew where an episode does."""
        n = len(observation)
        if context is None:
            context = Context(np.zeros((n, self.block, observation.shape[1]), np.float32), np.zeros(n, int))
        length = np.where(np.zeros(n, bool) if episode_start is None else episode_start, 0, context.length)
        full = length == self.block
        observations = context.observations.copy()
        observations[full, :-1] = context.observations[full, 1:]
        last = np.minimum(length, self.block - 1)
        observations[np.arange(n), last] = observation
        return Context(observations, last + 1)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """See `Policy.predict`. The state is a `Context`. The policy has no noise to switch off."""
        context = self.remember(self.flat(observation), state, episode_start)
        return self.act(context), context

    @torch.no_grad()
    def act(self, context: Context) -> np.ndarray:
        """(n, 56) actions after what the context remembers."""
        longest = context.length.max()  # what follows an episode's last observation cannot influence it
        actions = self(self.tensor(context.observations[:, :longest]))
        return clip_actions(actions[np.arange(len(actions)), context.length - 1])

    def _initialise(self) -> None:
        """GPT-2's: small weights, smaller still where a layer adds to the residual stream."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                depth = 2 * len(self.layers) if "project" in name else 1
                nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
