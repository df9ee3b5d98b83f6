"""Drawing sequences from episodes at random."""

from typing import NamedTuple

import numpy as np

from mocapact_core.clips.snippets import MAX_STEPS, parse_snippet
from mocapact_core.rollouts.index import EpisodeIndex


class SnippetSteps(NamedTuple):
    """All n steps of a snippet, episode after episode, and how often they are drawn."""

    snippet: int
    """Index into `RolloutDataset.snippets`."""
    values: np.ndarray
    """(n,)"""
    advantages: np.ndarray
    """(n,)"""
    shares: np.ndarray
    """(n,) float64, relative to the steps of all snippets."""


class Drawing:
    """Where to begin sequences of `sequence` steps, each within one episode.

    Steps of short snippets are drawn more often: each sequence counts 210 / length of its snippet (paper,
    appendix B.2).
    """

    n_sequences: int
    """Different sequences that can be drawn; they overlap."""
    snippet_weights: np.ndarray
    """(n_snippets,) float64, 210 / length."""

    def __init__(self, index: EpisodeIndex, sequence: int):
        self._index, self._sequence = index, sequence
        self.snippet_weights = MAX_STEPS / np.array([parse_snippet(name).n_steps for name in index.snippets])
        choices = index.steps - sequence + 1
        self.n_sequences = int(choices[choices > 0].sum())
        self._episodes = np.flatnonzero(choices > 0)
        self._choices = choices[self._episodes]
        self._weights = self.snippet_weights[index.snippet[self._episodes]]
        self._ends = np.cumsum(self._choices * self._weights)

    def draw(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw `size` sequences with replacement: (their episodes, their first steps), both int64."""
        # Episodes lie on a line, each as long as the number of first steps that a sequence of it can have,
        # times its weight. A point on the line tells the episode, and how far into it the first step.
        points = rng.random(size) * self._ends[-1]
        places = np.minimum(np.searchsorted(self._ends, points, side="right"), len(self._ends) - 1)
        choices = self._choices[places]
        into = choices - (self._ends[places] - points) / self._weights[places]
        return self._episodes[places], np.clip(into.astype(np.int64), 0, choices - 1)

    def shares(self, snippet: int) -> np.ndarray:
        """How often each step of a snippet is drawn relative to the steps of all snippets.

        Returns:
            (n,) float64, for all of its episodes, short ones too, one after the other.
        """
        steps = self._index.steps[self._index.snippet == snippet]
        covering = [sequences_with(t, self._sequence) for t in steps.tolist()]
        return self.snippet_weights[snippet] * np.concatenate(covering)


def sequences_with(steps: int, sequence: int) -> np.ndarray:
    """(steps,) how many sequences of an episode have each of its steps: fewer near its ends."""
    t = np.arange(steps)
    return np.clip(np.minimum(np.minimum(t + 1, steps - t), min(sequence, steps - sequence + 1)), 0, None)
