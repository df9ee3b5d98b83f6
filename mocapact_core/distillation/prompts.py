"""What the experts do on their snippets: the beginning of it is the prompt of a motion completion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapact_core.experts.together import Experts
from mocapact_core.tasks.episodes import run_episodes
from mocapact_core.tasks.task import Step
from mocapact_core.tasks.tracking import TrackingTask


def run_experts(
    task: TrackingTask, snippets: np.ndarray, steps: np.ndarray, folders: Sequence[Path]
) -> list[np.ndarray]:
    """Let experts track their snippets without noise, until the end or until they fail.

    Args:
        task: shows at least TIME_INDEX.
        snippets, steps: (N,) where the episodes start.
        folders: that of the expert of each snippet of the task.

    Returns:
        N arrays (T, 56), the actions of each episode, as executed.
    """
    recorder = _Actions(len(snippets))
    run_episodes(task, snippets, steps, Experts(task, folders).policy, recorder=recorder)
    return [np.clip(actions, -1, 1) for actions in map(np.stack, recorder.episodes)]


class _Actions:
    """Records the actions of each episode."""

    def __init__(self, n_episodes: int):
        self.episodes: list[list[np.ndarray]] = [[] for _ in range(n_episodes)]

    def record(
        self,
        worlds: np.ndarray,
        episodes: np.ndarray,
        observation: np.ndarray,
        mean_actions: np.ndarray,
        actions: np.ndarray,
        step: Step,
    ) -> None:
        for episode, action in zip(episodes, actions, strict=True):
            self.episodes[episode].append(action)

    def finish(self, worlds: np.ndarray, episodes: np.ndarray, last_observation: np.ndarray) -> None:
        pass
