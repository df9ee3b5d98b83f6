"""Means and variances of rollouts, in float64 and mergeable; the metrics of the whole dataset."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.files import write_npz
from mocapact_core.provenance import as_text, provenance
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


@dataclass(frozen=True)
class DatasetMetrics:
    """What dataset_metrics.npz tells of the whole dataset."""

    statistics: dict[str, np.ndarray]
    """By their published names (`layout.STATISTICS`), float64."""
    snippet_returns: dict[str, float]
    """Mean normalised episode return of each snippet, over all its episodes."""
    values: dict[str, np.ndarray]
    """All values of each snippet, episode after episode, float32."""
    advantages: dict[str, np.ndarray]
    """All advantages of each snippet, likewise."""


def write_dataset_metrics(rollout_paths: Sequence[str | Path], output: str | Path) -> None:
    """Gather the metrics of the dataset from its rollout files, in one pass, an episode in memory at a time.

    The published file holds `snippet_returns`, `values` and `advantages` as pickled dicts from snippet to
    number or array. Ours holds plain arrays under the same keys, snippet after snippet, so that reading it
    runs no code; three more keys tell them apart and where they come from:

        snippets         (n,) names, sorted
        snippet_steps    (n,) how many entries of `values` and `advantages` are each one's
        snippet_returns  (n,) float64
        values, advantages  (sum of snippet_steps,) float32
        provenance       JSON

    Statistics are float64 (published: float32) and exact: action statistics divide by the number of actions.

    Raises:
        InputError: no rollout file, one that cannot be read or does not fit the others, or a snippet in two.
    """
    statistics = NO_STATISTICS
    returns: dict[str, float] = {}
    numbers: dict[str, np.ndarray] = {}
    for path, file in layout.open_dataset(rollout_paths):
        for snippet in layout.snippet_names(file):
            if snippet in returns:
                raise InputError(f"Snippet {snippet} is in two of the rollout files, one of them {path}.")
            parts = []
            for episode in layout.read_episodes(file, snippet):
                statistics += Statistics.of(episode)
                parts.append(np.stack([episode.values, episode.advantages]))
            returns[snippet] = layout.read_metrics(file, snippet).norm_episode_returns.mean()
            numbers[snippet] = np.concatenate(parts, axis=1)
    snippets = sorted(returns)
    values, advantages = np.concatenate([numbers[snippet] for snippet in snippets], axis=1)
    arrays = {
        **statistics.published(),
        "snippets": np.array(snippets),
        "snippet_steps": np.array([numbers[snippet].shape[1] for snippet in snippets]),
        "snippet_returns": np.array([returns[snippet] for snippet in snippets]),
        "values": values,
        "advantages": advantages,
        "provenance": np.array(as_text(provenance({}, {Path(path).stem: path for path in rollout_paths}))),
    }
    write_npz(output, arrays)


def read_dataset_metrics(path: str | Path) -> DatasetMetrics:
    """Raises: InputError: there is no such file, or it is cut off or something else."""
    if not Path(path).is_file():
        raise InputError(
            f"There is no {path}. The rule compute_dataset_metrics makes it from the rollout files."
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        ends = np.cumsum(arrays["snippet_steps"])[:-1]
        names = arrays["snippets"].tolist()
        return DatasetMetrics(
            statistics={name: arrays[name] for name in layout.STATISTICS},
            snippet_returns=dict(zip(names, arrays["snippet_returns"].tolist(), strict=True)),
            values=dict(zip(names, np.split(arrays["values"], ends), strict=True)),
            advantages=dict(zip(names, np.split(arrays["advantages"], ends), strict=True)),
        )
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as dataset metrics ({error}). Make it again with the rule "
            f"compute_dataset_metrics; the published file holds pickled objects and is not read."
        ) from None
