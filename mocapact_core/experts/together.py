"""Many experts at once: each world is moved by the expert of the snippet that it tracks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.policies.expert import Expert
from mocapact_core.tasks.tracking import TrackingTask

FEWEST_ROWS = 8
"""Networks see at least so many observations at a time: matrix products sum up smaller ones in another order, and
what an expert does must not depend on how many worlds it moves."""


class Experts:
    """The experts of the snippets of `task`. Those in use are in memory, and no others.

    Args:
        task: shows at least what experts observe.
        folders: that of the expert of each snippet of the task.
    """

    def __init__(self, task: TrackingTask, folders: Sequence[Path]):
        self.task, self.folders = task, folders
        self.inputs = task.columns_of(Expert.observables)
        self._loaded: dict[int, Expert] = {}

    def __getitem__(self, snippet: int) -> Expert:
        """The expert of a snippet that a world tracks."""
        return self._loaded[snippet]

    def policy(self, observation: np.ndarray, state: Any, fresh: np.ndarray) -> tuple[np.ndarray, Any]:
        """Mean actions of all worlds, see `tasks.episodes.Policy`."""
        tracked = np.unique(self.task.snippet).tolist()
        self._loaded = {
            snippet: self._loaded.get(snippet) or Expert.load(self.folders[snippet]) for snippet in tracked
        }
        actions = np.empty((self.task.n_worlds, N_JOINTS), np.float32)
        for snippet in tracked:
            worlds = np.flatnonzero(self.task.snippet == snippet)
            rows = np.resize(worlds, max(FEWEST_ROWS, len(worlds)))
            actions[worlds] = self[snippet].predict(observation[rows][:, self.inputs])[0][: len(worlds)]
        return actions, None
