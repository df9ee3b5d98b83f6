"""GPT: a transformer that continues motion from the observations of the last second (paper section 5.2).

The architecture is GPT-2's, with a linear embedding of observations instead of tokens and a linear head
for mean actions (paper, appendix B.4).
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapact_core.humanoid.observables import HIGH_LEVEL_SANS_REFERENCE, side_by_side
from mocapact_core.policies.modules import MAX_NORMALISED, N_ACTIONS, Policy, clip_actions

FEWEST_ROWS = 16
"""Linear layers see at least so many tokens at a time: matrix products sum up fewer ones in another order, and what
GPT does in one episode must not depend on how many others there are."""


class Context(NamedTuple):
    """The last observations of n episodes, the oldest first, and what the layers have computed of them."""

    observations: np.ndarray
    """(n, block, observation) float32; only the first `length` of each are meaningful."""
    length: np.ndarray
    """(n,) observations so far, at most block."""
    known: np.ndarray
    """(n,) of how many of them, the first ones, `memory` has keys and values."""
    memory: list[Tensor]
    """One tensor (layers, 2, n, block, embedding) of keys and values; none where there are none to keep. `GPT.act` writes
    into the tensor, so it takes it out and hands it on: whoever acts again on an older context has it all computed anew."""

    def part(self, episodes: np.ndarray) -> "Context":
        """The context of some of the episodes, an array of indices or bool."""
        memory = [tensor[:, :, torch.as_tensor(episodes)] for tensor in self.memory]
        return Context(self.observations[episodes], self.length[episodes], self.known[episodes], memory)


class Attention(nn.Module):
    """Causal multi-head self-attention, (B, T, E) to (B, T, E)."""

    def __init__(self, embedding: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query_key_value = nn.Linear(embedding, 3 * embedding)
        self.project = nn.Linear(embedding, embedding)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(*self.query_key_value(x).chunk(3, dim=-1))

    def mix(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """What queries (B, T, E) find among keys and values, each (B, K, E).

        Args:
            mask: (B, 1, T, K) bool, where a query sees a key. None: T = K, each sees the past and itself.
        """
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)
        )
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, mask, dropout, is_causal=mask is None
        )
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
        return self.add(x, self.attention(self.norm_1(x)))

    def add(self, x: Tensor, attended: Tensor) -> Tensor:
        """The layer's output from its input and from what its attention made of that, each (B, T, E)."""
        x = x + self.dropout(attended)
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

    Attributes:
        window_stride: how many observations `remember` drops at once, the oldest, when there are `block`. 1, as in the
            paper: GPT always sees the last `block`. Positions are absolute, so what is kept moves to others and all keys
            and values change; with more, they serve for as many steps, in which GPT sees between block - window_stride + 1
            and block observations, as it did in training.
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
        self.window_stride = 1
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
            empty = np.zeros((n, self.block, observation.shape[1]), np.float32)
            context = Context(empty, np.zeros(n, int), np.zeros(n, int), [])
        observations = context.observations.copy()
        start = np.zeros(n, bool) if episode_start is None else np.asarray(episode_start, bool)
        length = np.where(start, 0, context.length)
        full, kept = length == self.block, self.block - self.window_stride
        observations[full, :kept] = context.observations[full, self.window_stride :]
        length[full] = kept
        observations[np.arange(n), length] = observation
        known = np.where(start | full, 0, context.known)
        return Context(observations, length + 1, known, context.memory)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """See `Policy.predict`. The state is a `Context`. The policy has no noise to switch off."""
        return self.act(self.remember(side_by_side(observation, self.observables), state, episode_start))

    @torch.no_grad()
    def act(self, context: Context, episodes: np.ndarray | None = None) -> tuple[np.ndarray, Context]:
        """Act after what the context remembers.

        Args:
            episodes: (n,) bool, which of them act; None: all.

        Returns:
            actions (n, 56), zero in the other episodes, and the context to go on with.
        """
        n, length = len(context.length), context.length
        acting = np.ones(n, bool) if episodes is None else episodes
        memory = context.memory.pop() if context.memory else None
        known = context.known.copy() if memory is not None else np.zeros(n, int)
        if memory is None and (length[acting] < self.block).any():
            memory = self.position.new_zeros(len(self.layers), 2, n, self.block, self.position.shape[1])
        one_more = acting & (known == length - 1)
        anew = acting & ~one_more
        actions = np.zeros((n, N_ACTIONS), np.float32)
        if one_more.any():
            actions[one_more] = self._act(context, memory, np.flatnonzero(one_more), 1)
        for steps in np.unique(length[anew]).tolist():
            chosen = anew & (length == steps)
            keep = memory if steps < self.block else None  # the next observation will move a full window
            actions[chosen] = self._act(context, keep, np.flatnonzero(chosen), steps)
        known[acting] = np.where(length < self.block, length, 0)[acting]
        return actions, Context(context.observations, length, known, [] if memory is None else [memory])

    def _act(self, context: Context, memory: Tensor | None, episodes: np.ndarray, steps: int) -> np.ndarray:
        """(m, 56) actions of the m `episodes` after their last observation.

        Args:
            memory: has keys and values of all before the last `steps` observations, and gets theirs.
            steps: 1, or as many as there are.
        """
        rows = np.resize(episodes, max(len(episodes), -(-FEWEST_ROWS // steps)))
        everyone = len(rows) == len(episodes) == len(context.length)
        positions = context.length[rows, None] - steps + np.arange(steps)
        observations = self.tensor(context.observations[rows[:, None], positions])
        at, where = (torch.as_tensor(indices, device=self.device) for indices in (rows, positions))
        recall = memory is not None and steps == 1
        mask = torch.arange(self.block if recall else steps, device=self.device) <= where[:, None, :, None]
        x = self.token(self.normaliser(observations)) + self.position[where]
        for index, layer in enumerate(cast(Iterable[Block], self.layers)):
            query, key, value = layer.attention.query_key_value(layer.norm_1(x)).chunk(3, dim=-1)
            if memory is not None:
                memory[index, 0, at[:, None], where], memory[index, 1, at[:, None], where] = key, value
            if memory is not None and recall:
                key, value = memory[index] if everyone else memory[index][:, at]
            attended = layer.attention.mix(query, key, value, mask)
            if index == len(self.layers) - 1:  # of its output only the last token matters
                shown = min(steps, -(-FEWEST_ROWS // len(rows)))
                x, attended = x[:, -shown:], attended[:, -shown:]
            x = layer.add(x, attended)
        return clip_actions(self.head(self.norm(x))[: len(episodes), -1])

    def _initialise(self) -> None:
        """GPT-2's: small weights, smaller still where a layer adds to the residual stream."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                depth = 2 * len(self.layers) if "project" in name else 1
                nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
