"""What the experts do on their snippets: the beginning of it is the prompt of a motion completion."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.policies.expert import Expert
from mocapact_core.tasks.episodes import Policy, run_episodes
from mocapact_core.tasks.task import Step
from mocapact_core.tasks.tracking import TrackingTask


def run_experts(
    task: TrackingTask, snippets: np.ndarray, steps: np.ndarray, folders: Sequence[Path]
) -> list[np.ndarray]:
    """Let experts track their snippets without noise, until the end or until they fail.

    Args:
        task: shows TIME_INDEX.
        snippets, steps: (N,) where the episodes start.
        folders: that of the expert of each snippet of the task.

    Returns:
        N arrays (T, 56), the actions of each episode.
    """
    load = lru_cache(maxsize=2 * task.n_worlds)(lambda snippet: Expert.load(folders[snippet]))
    recorder = _Actions(len(snippets))
    run_episodes(task, snippets, steps, _expert_of_each_world(task, load), recorder=recorder)
    return [np.stack(actions) for actions in recorder.episodes]


def _expert_of_each_world(task: TrackingTask, load: Callable[[int], Expert]) -> Policy:
    def policy(observation, state, fresh):
        actions = np.empty((task.n_worlds, N_JOINTS), np.float32)
        for snippet in np.unique(task.snippet):
            worlds = task.snippet == snippet
            actions[worlds], _ = load(snippet).predict(observation[worlds])
        return np.clip(actions, -1, 1), None

    return policy


class _Actions:
    """Records the actions of each episode."""

    def __init__(self, n_episodes: int):
        self.episodes: list[list[np.ndarray]] = [[] for _ in range(n_episodes)]

    def record(
        self,
        episodes: np.ndarray,
        observation: np.ndarray,
        mean_actions: np.ndarray,
        actions: np.ndarray,
        step: Step,
    ) -> None:
        for episode, action in zip(episodes, actions, strict=True):
            self.episodes[episode].append(action)

    def finish(self, episodes: np.ndarray, last_observation: np.ndarray) -> None:
        pass
