"""How far the training of an expert has come: its evaluations, progress.csv, and when to stop early."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO

from mocapact_core.envs import as_dict
from mocapact_core.files import write_csv
from mocapact_core.policies.checkpoint import normalizer_of
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import ExpertSettings, TransferSettings
from mocapact_core.tasks.episodes import MIN_STEPS, Episodes, random_starts, run_episodes
from mocapact_core.tasks.tracking import TrackingTask

START_NOISE = 0.01  # standard deviation of the noise from the start, released code
TRACKED = 0.98  # normalised length from which training may stop early, paper appendix B.1.2
IMPROVEMENT = 0.01  # of the reward: a share of it (paper), or reward itself (released code)


@dataclass(frozen=True)
class Row:
    """What is known after so many steps: a line of a table."""

    steps: int


@dataclass(frozen=True)
class Evaluation(Row):
    """One line of progress.csv: means over the episodes from random steps (RSI), and over those from the start."""

    normalized_reward: float
    normalized_length: float
    start_normalized_reward: float
    start_normalized_length: float

    def __str__(self) -> str:
        return (
            f"{self.steps:>11,} steps: normalised reward {self.normalized_reward:.3f}, length "
            f"{self.normalized_length:.3f}; from the start {self.start_normalized_reward:.3f}, "
            f"{self.start_normalized_length:.3f}"
        )


class Evaluator:
    """Evaluates a model under training on the same noisy episodes each time."""

    def __init__(self, task: TrackingTask, settings: ExpertSettings, seed: int):
        self.task, self.noise = task, settings.noise
        self.seeds = {purpose: derived_seed(seed, purpose) for purpose in ("starts", "noise", "start noise")}
        self.random = random_starts(task, settings.evaluation_episodes, MIN_STEPS, self.seeds["starts"])
        self.start = (np.zeros(settings.evaluation_start_episodes, int),) * 2

    def __call__(self, model: PPO) -> Evaluation:
        rsi = self._run(model, self.random, self.noise, self.seeds["noise"])
        start = self._run(model, self.start, START_NOISE, self.seeds["start noise"])
        scores = (
            float(values.mean())
            for episodes in (rsi, start)
            for values in (episodes.normalized_returns, episodes.normalized_lengths)
        )
        return Evaluation(model.num_timesteps, *scores)

    def _run(self, model: PPO, starts: tuple[np.ndarray, np.ndarray], noise: float, seed: int) -> Episodes:
        normalizer = normalizer_of(model)

        def policy(observation, state, fresh):
            inputs = normalizer.normalize_obs(as_dict(self.task, observation))
            return model.predict(inputs, deterministic=True)[0], None

        return run_episodes(self.task, *starts, policy, noise, seed)


def evaluation_is_due(
    evaluations: Sequence[Row], steps: int, settings: ExpertSettings | TransferSettings
) -> bool:
    if not evaluations:
        return True
    last = evaluations[-1].steps
    return steps > last and steps >= min(last + settings.evaluate_every, settings.total_steps)


def is_best(evaluation: Evaluation, before: Sequence[Evaluation]) -> bool:
    """The best model is that of the highest reward from random steps, as in the released code."""
    return all(evaluation.normalized_reward > other.normalized_reward for other in before)


def is_finished(evaluations: Sequence[Evaluation], settings: ExpertSettings) -> bool:
    """All steps are made, or there is no use in more of them."""
    if not evaluations:
        return False
    enough = evaluations[-1].steps >= settings.total_steps
    return enough or stops_early(evaluations, settings.early_stop, settings.early_stop_steps)


def stops_early(evaluations: Sequence[Evaluation], rule: str, patience: int) -> bool:
    """The snippet is tracked to its end, and the reward has not improved for `patience` steps.

    Paper appendix B.1.2. That is: no evaluation of the last `patience` steps is better than the best before them.

    Args:
        rule: what an improvement is: `paper`, 1 % more; `released`, 0.01 more, as in the released code; `none`:
            never stop early.
        patience: environment steps.
    """
    now = evaluations[-1]
    before = [e.normalized_reward for e in evaluations if e.steps <= now.steps - patience]
    recent = [e.normalized_reward for e in evaluations if e.steps > now.steps - patience]
    if rule == "none" or not before or now.normalized_length < TRACKED:
        return False
    best = max(before)
    return max(recent) <= best + IMPROVEMENT * (abs(best) if rule == "paper" else 1)


def write_progress(path: Path, evaluations: Sequence[Row]) -> None:
    """Write evaluations, at least one and all of one kind, as a table."""
    columns = [field.name for field in fields(evaluations[0])]
    rows = ([steps, *(f"{score:.6f}" for score in scores)] for steps, *scores in map(astuple, evaluations))
    write_csv(path, columns, rows)
