"""Rollouts as training data: batches of short sequences, drawn at random from all episodes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mocapact_core.clips.snippets import MAX_STEPS, Snippet, parse_snippet
from mocapact_core.errors import InputError, nearest
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.metrics import read_dataset_metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps; the arrays are float32 unless said."""

    observations: np.ndarray
    """(B, T, D) the observables asked for, side by side in the order asked, not normalised."""
    actions: np.ndarray
    """(B, T, 56) sampled actions, as executed."""
    mean_actions: np.ndarray
    """(B, T, 56) means of the expert's action distribution."""
    values: np.ndarray
    """(B, T)"""
    advantages: np.ndarray
    """(B, T)"""
    snippet_returns: np.ndarray
    """(B,) mean normalised episode return of each sequence's snippet."""
    snippets: np.ndarray
    """(B,) int64, index into `RolloutDataset.snippets`."""


class RolloutDataset:
    """The rollouts of some snippets, in memory: 4 (D + 115) bytes a step, 4 GB a million steps for D = 900.

    Every sequence lies within one episode. Episodes shorter than a sequence are left out, and so is, with a
    warning, a snippet that has no other. Steps of short snippets are drawn more often, as in the paper.

    Args:
        paths: rollout files of one dataset, ours or published ones; not needed after the constructor.
        metrics_path: metrics.npz of these or more rollouts, or the published dataset_metrics.npz.
        snippets: the snippets to learn from, or their names; all in the files when None.
        observables: what a policy sees, in its feature order, names without `walker/`.
        sequence: steps T of a sequence.

    Raises:
        InputError: files that cannot be read or do not fit each other, an unknown snippet or observable, or
            no episode as long as a sequence.
    """

    observables: tuple[str, ...]
    sequence: int
    snippets: list[str]
    """The snippets learned from, sorted."""
    snippet_returns: np.ndarray
    """(n_snippets,) float64, mean normalised episode return of each."""
    snippet_weights: np.ndarray
    """(n_snippets,) float64, 210 / length: how much more often than others a step of each is drawn."""
    observation_mean: np.ndarray
    """(D,) float64, over the whole dataset, from the metrics."""
    observation_variance: np.ndarray
    """(D,) float64"""
    observations: np.ndarray
    """(N, D) all steps of all episodes at least T long, one after the other."""
    actions: np.ndarray
    """(N, 56)"""
    mean_actions: np.ndarray
    """(N, 56)"""
    values: np.ndarray
    """(N,)"""
    advantages: np.ndarray
    """(N,)"""
    step_snippets: np.ndarray
    """(N,) int64, the snippet of each step: an index into `snippets`."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        metrics_path: str | Path,
        snippets: Sequence[Snippet | str] | None,
        observables: Sequence[str],
        sequence: int,
    ):
        self.observables, self.sequence = tuple(observables), sequence
        episodes = _find_episodes(paths, snippets, sequence)
        with layout.open_rollouts(paths[0]) as file:
            columns = np.concatenate(list(layout.observable_columns(file, observables).values()))
        self.snippets = sorted({episode.snippet for episode in episodes})
        self._prepare_drawing(episodes)
        self._load(episodes, columns)
        self._read_metrics(metrics_path, columns)

    @property
    def observation_size(self) -> int:
        return self.observations.shape[1]

    @property
    def n_sequences(self) -> int:
        """Different sequences that can be drawn; they overlap."""
        return int(self._choices.sum())

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Draw `size` sequences with replacement. The same state of `rng` gives the same batch."""
        # Episodes lie on a line, each as long as the number of first steps that a sequence of it can have,
        # times its weight. A point on the line tells the episode, and how far into it the first step.
        points = rng.random(size) * self._ends[-1]
        episodes = np.minimum(np.searchsorted(self._ends, points, side="right"), len(self._ends) - 1)
        choices = self._choices[episodes]
        into = choices - (self._ends[episodes] - points) / self._weights[episodes]
        first = np.clip(into.astype(np.int64), 0, choices - 1)
        rows = (self._first_rows[episodes] + first)[:, None] + np.arange(self.sequence)
        snippets = self.step_snippets[rows[:, 0]]
        return Batch(
            observations=self.observations[rows],
            actions=self.actions[rows],
            mean_actions=self.mean_actions[rows],
            values=self.values[rows],
            advantages=self.advantages[rows],
            snippet_returns=self.snippet_returns[snippets].astype(np.float32),
            snippets=snippets,
        )

    def _prepare_drawing(self, episodes: "list[_Episode]") -> None:
        number = {name: i for i, name in enumerate(self.snippets)}
        index = np.array([number[episode.snippet] for episode in episodes])
        steps = np.array([episode.steps for episode in episodes])
        lengths = np.array([parse_snippet(name).n_steps for name in self.snippets])
        self.snippet_weights = MAX_STEPS / lengths  # paper, appendix B.2
        self._weights = self.snippet_weights[index]
        self._choices = steps - self.sequence + 1
        self._ends = np.cumsum(self._choices * self._weights)
        self._first_rows = np.cumsum(steps) - steps
        self.step_snippets = np.repeat(index, steps)

    def _load(self, episodes: "list[_Episode]", columns: np.ndarray) -> None:
        n = len(self.step_snippets)
        self.observations = np.empty((n, len(columns)), np.float32)
        self.actions, self.mean_actions = np.empty((2, n, layout.N_ACTIONS), np.float32)
        self.values, self.advantages = np.empty((2, n), np.float32)
        row = 0
        for path, members in groupby(episodes, lambda episode: episode.path):
            with layout.open_rollouts(path) as file:
                for member in members:
                    episode = layout.read_episode(file, member.snippet, member.k)
                    steps = slice(row, row := row + member.steps)
                    self.observations[steps] = episode.observations[:-1, columns]  # the last had no action
                    self.actions[steps], self.mean_actions[steps] = episode.actions, episode.mean_actions
                    self.values[steps], self.advantages[steps] = episode.values, episode.advantages

    def _read_metrics(self, path: str | Path, columns: np.ndarray) -> None:
        metrics = read_dataset_metrics(path)
        returns = metrics.snippet_returns
        missing = [name for name in self.snippets if name not in returns]
        if missing:
            raise InputError(
                f"{path} knows nothing of snippet {missing[0]}; the nearest of its {len(returns)} are "
                f"{nearest(missing[0], list(returns))}. Make it again from all rollout files."
            )
        self.snippet_returns = np.array([returns[name] for name in self.snippets])
        self.observation_mean = metrics.statistics["proprio_mean"][columns]
        self.observation_variance = metrics.statistics["proprio_var"][columns]


class _Episode(NamedTuple):
    path: str | Path
    snippet: str
    k: int
    steps: int


def _find_episodes(
    paths: Sequence[str | Path], snippets: Sequence[Snippet | str] | None, at_least: int
) -> list[_Episode]:
    """The episodes of some snippets that have enough steps, file by file."""
    found = [
        _Episode(path, snippet, k, int(steps))
        for path, file in layout.open_dataset(paths)
        for snippet in layout.snippet_names(file)
        for k, steps in enumerate(layout.episode_lengths(file, snippet))
    ]
    existing = sorted({episode.snippet for episode in found})
    asked = set(existing if snippets is None else map(str, snippets))
    unknown = sorted(asked - set(existing))
    if unknown:
        raise InputError(
            f"No rollout file has snippet {unknown[0]}; the nearest of the {len(existing)} in "
            f"{len(paths)} files are {nearest(unknown[0], existing)}. Collect its rollouts, or leave it out."
        )
    kept = [episode for episode in found if episode.snippet in asked and episode.steps >= at_least]
    if not kept:
        raise InputError(
            f"No episode of these rollouts has the {at_least} steps of a training sequence. Make the "
            f"sequence shorter, or train better experts."
        )
    short = sorted(asked - {episode.snippet for episode in kept})
    if short:
        logger.warning("Left out, as none of their episodes has %d steps: %s", at_least, ", ".join(short))
    return kept
