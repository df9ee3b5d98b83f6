"""Learning a new task on top of a low-level policy: PPO, paper section 5.1.2 and Table 7."""

import csv
import io
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.config import LowLevelSettings, TransferSettings
from mocapact_core.envs import TaskVecEnv
from mocapact_core.files import write_text
from mocapact_core.policies.checkpoint import Checkpoints, normalizer_of
from mocapact_core.policies.guard import Guard
from mocapact_core.policies.ppo import make_ppo, update
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.transfer.environment import LowLevel, TransferVecEnv, make_task

MODEL = "best_model.zip"
NORMALIZER = "vecnormalize.pkl"
PROGRESS = "progress.csv"
CHECKPOINT = "checkpoint.pth"

NOT_TRAINING = {"tasks", "low_level", "seeds", "total_steps", "evaluation_episodes", "checkpoint_every"}
"""Settings that do not change the steps of a training, only which are made and how many."""


def train_transfer(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    settings: TransferSettings,
    seed: int,
) -> None:
    """Train a task policy.

    Args:
        task: go_to_target or velocity_control.
        policy_folder: the multi-clip policy whose decoder is used; None for none.
        folder: gets best_model.zip and vecnormalize.pkl (the policy at the end of training, in files of
            stable-baselines3; provenance.json is in the zip) and progress.csv; checkpoint.pth while the
            training lasts.

    Raises:
        InputError: settings do not fit, a checkpoint is damaged, or the training diverged.
        Interrupted: a signal asked for it; the state is in the checkpoint.
    """
    torch.set_num_threads(settings.threads)
    folder = Path(folder)
    policy_folder = None if policy_folder is None else Path(policy_folder)
    env = make_env(task, LowLevel.load(policy_folder), low_level, settings, settings.workers, seed)
    model = make_model(env, low_level, settings, seed)
    training = settings.model_dump(mode="json", exclude=NOT_TRAINING)
    decoder = policy_folder and policy_folder / "model.safetensors"
    identity = provenance(
        {"task": task, "low_level": low_level, "transfer": training}, {"low_level": decoder}, seed
    )
    checkpoints = Checkpoints(folder / CHECKPOINT, model, identity, settings.checkpoint_every)
    progress = Progress(folder / PROGRESS, checkpoints.resume() or [])
    callbacks: list[BaseCallback] = [progress, Guard(folder, "transfer")]
    with checkpoints.interruptible():
        while True:
            checkpoints.mark([*progress.rows])
            if model.num_timesteps >= settings.total_steps:
                break
            update(model, callbacks)
    progress.write()
    made = {**identity["settings"], "total_steps": settings.total_steps}
    save_model(model, folder / MODEL, {**identity, "settings": made})
    save_normalizer(normalizer_of(model), folder / NORMALIZER)
    checkpoints.discard()


def make_env(
    task: str,
    low_level: LowLevel,
    limits: LowLevelSettings,
    settings: TransferSettings,
    n_worlds: int,
    seed: int,
) -> VecNormalize:
    worlds = make_task(task, n_worlds, settings.threads, seed)
    return VecNormalize(
        TransferVecEnv(TaskVecEnv(worlds), low_level, limits.max_action), gamma=settings.gamma
    )


def make_model(env: VecNormalize, low_level: LowLevelSettings, settings: TransferSettings, seed: int) -> PPO:
    """PPO with separate tanh networks for policy and value, and a standard deviation that is learned."""
    return make_ppo(
        env,
        "transfer",
        settings,
        low_level.initial_std,
        seed,
        learning_rate=settings.learning_rate,
        ent_coef=low_level.entropy_coefficient,
        target_kl=settings.target_kl,
    )


class Progress(BaseCallback):
    """A line of progress.csv for every update: the episodes that ended while its steps were made.

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
        print(
            f"{self.num_timesteps:>11,} steps: return {means[0]:.2f}, length {means[1]:.0f} "
            f"over {len(self.ended)} episodes",
            flush=True,
        )

    def write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["steps", "return", "length", "episodes"])
        for steps, *means, episodes in self.rows:
            writer.writerow([steps, *(f"{mean:.6g}" if mean == mean else "" for mean in means), episodes])
        write_text(self.path, text.getvalue())
