"""Means and variances of rollouts, in float64 and mergeable."""

from dataclasses import dataclass

import numpy as np

from mocapact_core.rollouts import layout


@dataclass(frozen=True)
class Moments:
    """Number, mean and sum of squared deviations of rows; `a + b` are those of the rows of both.

    Merged by the formula of Chan, Golub and LeVeque (1979), which subtracts no large numbers from each other.
    """

    count: int
    mean: np.ndarray
    """(D,) float64"""
    deviations: np.ndarray
    """(D,) float64, sum of squared deviations from the mean."""

    @classmethod
    def of(cls, rows: np.ndarray) -> "Moments":
        """Args: rows: (n, D), n > 0."""
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        return cls(len(rows), mean, np.square(rows - mean).sum(axis=0))

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        step = other.mean - self.mean
        return Moments(
            count,
            self.mean + step * (other.count / count),
            self.deviations + other.deviations + step**2 * (self.count * other.count / count),
        )

    @property
    def variance(self) -> np.ndarray:
        """(D,) of the rows themselves (divided by n)."""
        return self.deviations / self.count


@dataclass(frozen=True)
class Statistics:
    """Moments of what policies see and do; `a + b` are those of both sets of episodes."""

    observations: Moments
    actions: Moments
    mean_actions: Moments

    @classmethod
    def of(cls, episode: layout.Episode) -> "Statistics":
        parts = (episode.observations, episode.actions, episode.mean_actions)
        return cls(*(Moments.of(part) for part in parts))

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.observations + other.observations,
            self.actions + other.actions,
            self.mean_actions + other.mean_actions,
        )

    def published(self) -> dict[str, np.ndarray]:
        """By their published names. `count` is that of observations: an episode has one more than actions."""
        return {
            "proprio_mean": self.observations.mean,
            "proprio_var": self.observations.variance,
            "act_mean": self.actions.mean,
            "act_var": self.actions.variance,
            "mean_act_mean": self.mean_actions.mean,
            "mean_act_var": self.mean_actions.variance,
            "count": np.array(self.observations.count),
        }


_NOTHING = Moments(0, np.zeros(()), np.zeros(()))
NO_STATISTICS = Statistics(_NOTHING, _NOTHING, _NOTHING)
"""Of no episode, to add to."""
