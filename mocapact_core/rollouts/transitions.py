"""Rollouts for offline reinforcement learning: every step as (s, a, r, s', terminal, timeout).

As in D4RL (Fu et al., 2020), an episode that ended early has a terminal last step, after which nothing is to be
gained, and any other a timeout: it could have gone on. The observation after the last action is recorded, so
that no step is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.rollouts.dataset import RolloutDataset

ARRAYS = ("actions", "rewards")


@dataclass(frozen=True)
class Transitions:
    """B steps; the arrays are float32 unless said."""

    observations: Any
    """(B, D), or a dict of such arrays; normalised if those of the dataset are."""
    actions: np.ndarray
    """(B, 56) as executed."""
    rewards: np.ndarray
    """(B,)"""
    next_observations: Any
    """(B, D) after the action, in the same episode."""
    terminals: np.ndarray
    """(B,) bool, the episode ended early here."""
    timeouts: np.ndarray
    """(B,) bool, the episode ended here otherwise."""


def d4rl(dataset: RolloutDataset) -> dict[str, Any]:
    """All steps in memory, episode after episode: D4RL's `get_dataset` and `qlearning_dataset` in one.

    Returns:
        the fields of `Transitions`, with B the number of steps of all episodes that are long enough for a
        sequence of the dataset, which are all when `sequence` is 1. Takes 8 (D + 29) bytes a step.
    """
    index, episodes = dataset.index, _long_enough(dataset)
    n = int(index.steps[episodes].sum())
    here, rest = dataset.empty(1, n, dataset.parts), dataset.empty(1, n, ARRAYS)
    following = dataset.empty(1, n, dataset.parts)
    last = np.cumsum(index.steps[episodes]) - 1
    for episode, end in zip(episodes, last + 1, strict=True):
        rows = slice(end - index.steps[episode], end)
        only, first = np.array([episode]), np.array([0])
        dataset.gather(only, first, {name: of[:, rows] for name, of in {**here, **rest}.items()})
        dataset.gather(only, first + 1, {name: of[:, rows] for name, of in following.items()})
    ended = np.zeros((2, n), bool)
    ended[:, last] = index.terminated[episodes], ~index.terminated[episodes]
    return {
        "observations": dataset.as_asked({part: of[0] for part, of in here.items()}),
        **{name: of[0] for name, of in rest.items()},
        "next_observations": dataset.as_asked({part: of[0] for part, of in following.items()}),
        "terminals": ended[0],
        "timeouts": ended[1],
    }


def transitions(dataset: RolloutDataset, seed: int | np.random.Generator, size: int) -> Iterator[Transitions]:
    """One epoch: each step once, in random order; `size` at a time, fewer in the last batch.

    In memory are one batch and the order, 4 bytes a step.

    Args:
        seed: of the order, or what to draw it with.

    Raises:
        InputError: `size` is not positive.
    """
    if size < 1:
        raise InputError(f"Batches of {size} transitions cannot be made. Ask for 1 or more.")
    index, episodes = dataset.index, _long_enough(dataset)
    ends = np.cumsum(index.steps[episodes])
    order = np.arange(ends[-1], dtype=np.uint32 if ends[-1] < 2**32 else np.int64)
    np.random.default_rng(seed).shuffle(order)
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size].astype(np.int64)
        places = np.searchsorted(ends, chosen, side="right")
        yield _read(dataset, episodes[places], chosen - (ends - index.steps[episodes])[places])


def _read(dataset: RolloutDataset, episodes: np.ndarray, steps: np.ndarray) -> Transitions:
    """Args: episodes, steps: (B,) of each transition."""
    pairs, rest = dataset.empty(len(steps), 2, dataset.parts), dataset.empty(len(steps), 1, ARRAYS)
    dataset.gather(episodes, steps, {**pairs, **rest})
    last = steps == dataset.index.steps[episodes] - 1
    terminated = dataset.index.terminated[episodes]
    return Transitions(
        observations=dataset.as_asked({part: of[:, 0] for part, of in pairs.items()}),
        actions=rest["actions"][:, 0],
        rewards=rest["rewards"][:, 0],
        next_observations=dataset.as_asked({part: of[:, 1] for part, of in pairs.items()}),
        terminals=last & terminated,
        timeouts=last & ~terminated,
    )


def _long_enough(dataset: RolloutDataset) -> np.ndarray:
    """Episodes that are long enough for a sequence."""
    return np.flatnonzero(dataset.index.steps >= dataset.sequence)
