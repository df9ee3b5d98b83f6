"""Learning a new task on top of a low-level policy: PPO, paper section 5.1.2 and Table 7."""

import shutil
from dataclasses import astuple
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.envs import TaskVecEnv
from mocapact_core.experts.monitor import Monitor, open_writers
from mocapact_core.experts.progress import evaluation_is_due, write_progress
from mocapact_core.experts.train import CHECKPOINT, TRAINING
from mocapact_core.files import copy
from mocapact_core.policies.checkpoint import Checkpoints, normalizer_of
from mocapact_core.policies.guard import Guard
from mocapact_core.policies.ppo import make_ppo, update
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.settings import LowLevelSettings, TransferSettings
from mocapact_core.transfer.environment import LowLevel, TransferVecEnv, make_task
from mocapact_core.transfer.progress import Evaluation, Evaluator, TrainingEpisodes, is_best

MODEL = "best_model.zip"
NORMALIZER = "vecnormalize.pkl"
PROGRESS = "progress.csv"
VALIDATION = "validation.csv"


def train_transfer(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    settings: TransferSettings,
    seed: int,
    stand: str | PathLike | None = None,
) -> None:
    """Train a task policy: of all evaluations, the model with the highest return is kept.

    Training that was interrupted goes on from its last checkpoint and, on the CPU, ends with the same bytes.

    Args:
        task: go_to_target or velocity_control.
        policy_folder: the multi-clip policy whose decoder is used; None for none.
        folder: gets best_model.zip and vecnormalize.pkl, files of stable-baselines3 (provenance.json is in the
            zip); progress.csv, the episodes trained on; validation.csv, the evaluations; and tensorboard/ to
            follow the training by.
        stand: file of the clip that `settings.stand` names.

    Raises:
        InputError: settings do not fit, a checkpoint is damaged, or the training diverged.
        Interrupted: a signal asked for it; the state is in the checkpoint.
    """
    torch.set_num_threads(settings.threads)
    folder = Path(folder)
    record = _record(task, low_level, policy_folder, settings, seed, stand)
    decoder = LowLevel.load(policy_folder)
    model = make_model(
        make_env(task, decoder, low_level, settings, settings.workers, seed, stand), low_level, settings, seed
    )
    evaluate = Evaluator(task, decoder, settings, seed, stand)
    checkpoints = Checkpoints(folder / TRAINING / CHECKPOINT, model, record, settings.checkpoint_every)
    kept = checkpoints.resume()
    rows, evaluated = kept or ([], [])
    episodes = TrainingEpisodes(folder / PROGRESS, rows)
    evaluations = [Evaluation(*row) for row in evaluated]
    writers = open_writers(folder, None, record, resumed=kept is not None)

    with Monitor(model, settings.total_steps, writers) as monitor, checkpoints.interruptible():
        callbacks = [episodes, Guard(folder / TRAINING, "transfer"), monitor]
        while True:
            checkpoints.mark(([*episodes.rows], [astuple(evaluation) for evaluation in evaluations]))
            if evaluation_is_due(evaluations, model.num_timesteps, settings):
                evaluation = evaluate(model)
                if is_best(evaluation, evaluations):
                    save_model(model, folder / TRAINING / MODEL, record)
                    save_normalizer(normalizer_of(model), folder / TRAINING / NORMALIZER)
                evaluations.append(evaluation)
                write_progress(folder / VALIDATION, evaluations)
                monitor.evaluated(evaluation)
            if model.num_timesteps >= settings.total_steps:
                break
            update(model, callbacks)

        checkpoints.save()
        episodes.write()
        write_progress(folder / VALIDATION, evaluations)
        for file in (MODEL, NORMALIZER):
            copy(folder / TRAINING / file, folder / file)
    checkpoints.discard()  # first, as it cannot be gone on from without the best model
    shutil.rmtree(folder / TRAINING)


def _record(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    settings: TransferSettings,
    seed: int,
    stand: str | PathLike | None,
) -> dict[str, Any]:
    """The provenance. A low-level policy is known by its content, not by its name."""
    settled = settings.model_dump(mode="json", exclude=settings.FOLLOWING)
    acting = low_level.model_dump(mode="json", exclude={"policy"})
    inputs = inputs_of(policy_folder, stand)
    return provenance({"task": task, "low_level": acting, "transfer": settled}, inputs, seed)


def inputs_of(
    policy_folder: str | PathLike | None, stand: str | PathLike | None
) -> dict[str, str | PathLike | None]:
    """The files that a task is made of, for the provenance; None where there is none."""
    weights = None if policy_folder is None else Path(policy_folder) / "model.safetensors"
    return {"low_level": weights, "stand": stand}


def make_env(
    task: str,
    low_level: LowLevel,
    limits: LowLevelSettings,
    settings: TransferSettings,
    n_worlds: int,
    seed: int,
    stand: str | PathLike | None = None,
) -> VecNormalize:
    worlds = make_task(task, n_worlds, settings.threads, seed, stand)
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
