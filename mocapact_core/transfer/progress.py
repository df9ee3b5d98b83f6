"""How far the training of a task policy has come: the episodes it trains on, and evaluations without noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from mocapact_core.experts.progress import Row
from mocapact_core.files import write_csv
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import TransferSettings
from mocapact_core.transfer.environment import LowLevel, make_task
from mocapact_core.transfer.episodes import actor, run_episodes


@dataclass(frozen=True)
class Evaluation(Row):
    """One line of validation.csv: means over the episodes of an evaluation."""

    mean_return: float
    mean_length: float
    fallen: float
    """Share of episodes that ended by a fall."""

    def __str__(self) -> str:
        return (
            f"{self.steps:>11,} steps: return {self.mean_return:.2f}, length {self.mean_length:.0f}, "
            f"{self.fallen:.0%} fallen"
        )


class Evaluator:
    """Evaluates a model under training on the same episodes each time, which belong to the training's seed."""

    def __init__(
        self,
        task: str,
        low_level: LowLevel,
        settings: TransferSettings,
        seed: int,
        stand: str | PathLike | None = None,
    ):
        self.task = make_task(task, settings.selection_episodes, settings.threads, stand=stand)
        self.low_level = low_level
        self.seeds = [derived_seed(seed, "selection", i) for i in range(settings.selection_episodes)]

    def __call__(self, model: PPO) -> Evaluation:
        episodes = run_episodes(self.task, actor(model, self.low_level, self.task), self.seeds)
        measures = (episodes.returns, episodes.lengths, episodes.fallen)
        return Evaluation(model.num_timesteps, *(float(values.mean()) for values in measures))


def is_best(evaluation: Evaluation, before: Sequence[Evaluation]) -> bool:
    """The best model has the highest return; where the task rewards nobody yet, it stays up longest."""

    def merit(of: Evaluation) -> tuple[float, float]:
        return of.mean_return, of.mean_length

    return all(merit(evaluation) > merit(other) for other in before)


class TrainingEpisodes(BaseCallback):
    """A line of progress.csv for every update: the noisy episodes that ended while its steps were made.

    Columns: steps, return and length (means over those episodes, empty where none ended), episodes.
    """

    def __init__(self, path: Path, rows: list[list[float]]):
        super().__init__()
        self.path, self.rows = path, rows
        self.ended: list[tuple[float, int]] = []

    def _on_rollout_start(self) -> None:
        self.ended = []

    def _on_step(self) -> bool:
        episodes = (info["episode"] for info in self.locals["infos"] if "episode" in info)
        self.ended += [(episode["r"], episode["l"]) for episode in episodes]
        return True

    def _on_rollout_end(self) -> None:
        means = np.mean(self.ended, axis=0).tolist() if self.ended else [float("nan")] * 2
        self.rows.append([self.num_timesteps, *means, len(self.ended)])
        self.write()

    def write(self) -> None:
        rows = (
            [steps, *(f"{mean:.6g}" if mean == mean else "" for mean in means), episodes]
            for steps, *means, episodes in self.rows
        )
        write_csv(self.path, ["steps", "return", "length", "episodes"], rows)
