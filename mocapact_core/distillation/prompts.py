"""What the experts do on their snippets: the beginning of it is the prompt of a motion completion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapact_core.experts.together import Experts
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.settings import PROMPT_STEPS, DistillationSettings, TrackingSettings
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import Step
from mocapact_core.tasks.tracking import TrackingTask


def run_from_starts(
    references: References,
    folders: Sequence[Path],
    settings: DistillationSettings,
    tracking: TrackingSettings,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """What experts do from the starts of their snippets and, with more than one completion a snippet, from random steps.

    Args:
        folders: that of the expert of each snippet.

    Returns:
        where `settings.completions_per_snippet` completions of each snippet begin, (N,) indices of snippets and (N,)
        steps; and what the experts do until the end or until they fail, N arrays (T, 56).
    """
    task = TrackingTask(
        references,
        settings.workers,
        TIME_INDEX,
        tracking.ref_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
    )
    chosen, steps = _starts(task, settings.completions_per_snippet, seed)
    return chosen, steps, run_experts(task, chosen, steps, folders)


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


def _starts(task: TrackingTask, per_snippet: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(snippets, steps): the start of each snippet, then random ones at least a prompt before the end."""
    first = np.arange(len(task.references))
    others, steps = random_starts(task, per_snippet - 1, PROMPT_STEPS, seed)
    return np.concatenate([first, others]), np.concatenate([np.zeros(len(first), int), steps])


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
