"""What all tasks have in common: many worlds stepped together, observed as one array."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mocapact_core.errors import InputError, nearest
from mocapact_core.humanoid.observables import PROPRIOCEPTION
from mocapact_core.humanoid.physics import Physics, State
from mocapact_core.seeds import generator_at, random_state

ALL = slice(None)
Worlds = np.ndarray | slice
"""Indices of some worlds, or a slice of them."""


@dataclass(frozen=True)
class Step:
    """What n worlds answered to an action."""

    reward: np.ndarray
    """(n,) float64"""
    terminated: np.ndarray
    """(n,) bool: the episode ended in failure (dm_control: discount 0)."""
    truncated: np.ndarray
    """(n,) bool: the episode came to its regular end (dm_control: discount 1)."""

    @property
    def done(self) -> np.ndarray:
        return self.terminated | self.truncated

    def failed(self, worlds: np.ndarray) -> "Step":
        """The same step, except that some worlds (n,) bool failed in it."""
        return Step(np.where(worlds, 0.0, self.reward), self.terminated | worlds, self.truncated & ~worlds)


class Task(ABC):
    """N worlds of one task. Worlds are reset one by one; nothing is reset by itself.

    Args:
        n_worlds: worlds side by side.
        observables: names of what to observe, in the order of the observation's columns. Only these are computed.
        n_threads: threads of the simulation. Results do not depend on it.
        seed: of `self.rng`, which draws the starts of episodes.
        physics: worlds to use, as many as `n_worlds`, instead of new ones: making 64 takes a fifth of a second.
    """

    OBSERVABLES: tuple[str, ...] = tuple(PROPRIOCEPTION)
    """All observables that this task knows."""
    COUNTERS: tuple[str, ...] = ()
    """Attributes (n_worlds, ...) that the task keeps beside the physics."""

    def __init__(
        self,
        n_worlds: int,
        observables: Sequence[str],
        n_threads: int = 1,
        seed: int = 0,
        physics: Physics | None = None,
    ):
        for name in observables:
            if name not in self.OBSERVABLES:
                raise InputError(
                    f"{type(self).__name__} has no observable {name!r}; "
                    f"the nearest are {nearest(name, list(self.OBSERVABLES))}."
                )
        self.n_worlds = n_worlds
        self.observables = tuple(observables)
        self.physics = physics or Physics(n_worlds, n_threads)
        assert self.physics.n_worlds == n_worlds
        self.rng = np.random.default_rng(seed)

    @abstractmethod
    def reset(self, worlds: Worlds = ALL) -> None:
        """Begin new episodes in some worlds, drawn from `self.rng`."""

    def step(self, actions: np.ndarray, worlds: Worlds = ALL) -> Step:
        """Advance some worlds by one control step of 0.03 s.

        Args:
            actions: (n, 56) in [-1, 1], in actuator order.
            worlds: the n worlds; the others stand still.

        An episode whose simulation diverges has failed, with no reward for that step.
        """
        self.physics.step(actions, worlds)
        step = self.after_step(self.physics.state(worlds))
        diverged = self.physics.diverged[worlds]
        return step.failed(diverged) if diverged.any() else step

    @abstractmethod
    def after_step(self, state: State) -> Step:
        """Reward and end of the worlds in `state`, which have just been stepped."""

    def snapshot(self) -> dict[str, Any]:
        """A copy of all that the worlds go on from: arrays, and random streams as text."""
        return {
            "physics": self.physics.snapshot(),
            "counters": {name: getattr(self, name).copy() for name in self.COUNTERS},
            "random": random_state(self.rng),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Let the worlds go on from a snapshot, to the bit."""
        self.physics.restore(snapshot["physics"], np.arange(self.n_worlds))
        for name, values in snapshot["counters"].items():
            getattr(self, name)[:] = values
        self.rng = generator_at(snapshot["random"])

    def observable(self, name: str, state: State) -> np.ndarray:
        """One observable of the worlds in `state`, (n, size)."""
        return PROPRIOCEPTION[name](state)

    def observe(self, worlds: Worlds = ALL) -> np.ndarray:
        """(n, observation_size) float32: the observables side by side, in the order asked for."""
        state = self.physics.state(worlds)
        observation = np.empty((state.n, self.observation_size), np.float32)
        for name, columns in self.columns.items():
            observation[:, columns] = self.observable(name, state)
        return observation

    @cached_property
    def columns(self) -> dict[str, slice]:
        """The columns of the observation that belong to each observable."""
        one = self.physics.state(slice(0, 1))
        ends = np.cumsum([self.observable(name, one).shape[1] for name in self.observables]).tolist()
        starts = [0, *ends[:-1]]
        return {
            name: slice(start, end) for name, start, end in zip(self.observables, starts, ends, strict=True)
        }

    @property
    def sizes(self) -> dict[str, int]:
        """How many numbers each observable has."""
        return {name: columns.stop - columns.start for name, columns in self.columns.items()}

    @property
    def observation_size(self) -> int:
        return max((columns.stop for columns in self.columns.values()), default=0)

    def columns_of(self, observables: Sequence[str]) -> np.ndarray:
        """The columns of some of the observables, in the order given: how a policy finds its inputs."""
        return np.concatenate([np.arange(self.observation_size)[self.columns[name]] for name in observables])
