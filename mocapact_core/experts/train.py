"""Training the expert of one snippet: PPO (Schulman et al., 2017) on the tracking task, paper Table 5."""

import shutil
from dataclasses import astuple
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.config import ExpertSettings, TrackingSettings
from mocapact_core.envs import TaskVecEnv
from mocapact_core.experts.controls import Controls, inverse_dynamics
from mocapact_core.experts.interchange import start_from
from mocapact_core.experts.monitor import Monitor, open_writers
from mocapact_core.experts.progress import (
    Evaluation,
    Evaluator,
    evaluation_is_due,
    is_best,
    is_finished,
    write_progress,
)
from mocapact_core.experts.sampling import sampled_controls
from mocapact_core.experts.warm_start import warm_start
from mocapact_core.experts.zoo import experts_to_start_from
from mocapact_core.files import copy
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.checkpoint import Checkpoints
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import MODEL, NORMALIZER, named_parts, write_clip_info
from mocapact_core.policies.guard import Guard
from mocapact_core.policies.parameters import write_parameters
from mocapact_core.policies.ppo import make_ppo, update
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

TRAINING = "training"
"""Folder of a training that has not ended: the checkpoint and the best model so far. Snakemake deletes the outputs
of a job before it runs again, so what training goes on from must not be one of them."""
CHECKPOINT = "checkpoint.pth"
PROGRESS = "progress.csv"


def train_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    settings: ExpertSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Train an expert and write it in MoCapAct's layout: of all evaluations, the model with the best reward.

    Training that was interrupted goes on from its last checkpoint and, on the CPU, ends with the same bytes.

    Args:
        trajectory_path: file of the clip.
        folder: gets clip_info.json, eval_rsi/model/{best_model.zip,vecnormalize.pkl}, the same expert as
            expert.safetensors and expert.json, and progress.csv, and tensorboard/ to follow the training by.
            provenance.json is in the zip.

    Raises:
        InputError: settings do not fit, a checkpoint is damaged, or the training diverged.
        Interrupted: a signal asked for it; the state is in a checkpoint.
    """
    start = experts_to_start_from(settings, [snippet.name]).get(snippet.name)
    record = _record(trajectory_path, start, settings, tracking, seed)
    identity = {**record, "snippet": snippet.name}
    torch.set_num_threads(settings.threads)
    folder, seed = Path(folder), derived_seed(seed, snippet.name)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    task = _task(segment, settings.workers, settings, tracking, seed)
    env = VecNormalize(TaskVecEnv(task, bootstrap_at_end=False), gamma=settings.gamma)
    model = make_model(env, settings, seed)
    evaluate = Evaluator(_task(segment, settings.workers, settings, tracking, seed), settings, seed)
    checkpoints = Checkpoints(folder / TRAINING / CHECKPOINT, model, identity, settings.checkpoint_every)
    progress = checkpoints.resume()
    evaluations = [Evaluation(*row) for row in progress or []]
    writers = open_writers(folder, settings.wandb, identity, resumed=progress is not None)
    if evaluations:
        write_progress(folder / PROGRESS, evaluations)

    with Monitor(model, settings.total_steps, writers) as monitor, checkpoints.interruptible():
        callbacks: list[BaseCallback] = [Guard(folder / TRAINING, "experts"), monitor]
        if progress is None and start:
            start_from(start, model, env)
        elif progress is None and settings.warm_start != "none":
            teacher = _teacher(segment, settings, tracking, seed)
            warm_start(model, env, task, teacher, derived_seed(seed, "warm_start"))
        while True:
            model.lr_schedule = FloatSchedule(ConstantSchedule(step_size(model.num_timesteps, settings)))
            checkpoints.mark([astuple(evaluation) for evaluation in evaluations])
            if evaluation_is_due(evaluations, model.num_timesteps, settings):
                evaluation = evaluate(model)
                if is_best(evaluation, evaluations):
                    save_model(model, folder / TRAINING / MODEL.name, record)
                    save_normalizer(env, folder / TRAINING / NORMALIZER.name)
                evaluations.append(evaluation)
                write_progress(folder / PROGRESS, evaluations)
                monitor.evaluated(evaluation)
            if is_finished(evaluations, settings):
                break
            update(model, callbacks)

    for file in (MODEL, NORMALIZER):
        copy(folder / TRAINING / file.name, folder / file)
    write_parameters(Expert.load(folder).data, folder, record)
    write_progress(folder / PROGRESS, evaluations)
    write_clip_info(folder, snippet.clip, snippet.start, snippet.end)
    checkpoints.discard()  # first, as it cannot be gone on from without the best model
    shutil.rmtree(folder / TRAINING)


def _record(
    trajectory_path: str | PathLike,
    start: Path | None,
    settings: ExpertSettings,
    tracking: TrackingSettings,
    seed: int,
) -> dict[str, Any]:
    """The provenance: an expert that the training starts from is known by its content, not by its place."""
    settled = settings.model_dump(mode="json", exclude=settings.FOLLOWING)
    if start:
        settled["warm_start"] = "expert"
    inputs = {"clip": trajectory_path, **named_parts(start)}
    return provenance({"experts": settled, "tracking": tracking}, inputs, seed)


def _teacher(
    segment: Trajectory, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> Controls:
    if settings.warm_start == "sampling":
        return sampled_controls(segment, tracking.ref_steps, derived_seed(seed, "sampling"), settings.threads)
    return inverse_dynamics(segment)


def step_size(steps: int, settings: ExpertSettings) -> float:
    """Adam's step size after so many environment steps: each of `learning_rate` has an equal share."""
    rates = settings.learning_rate
    return rates[min(steps * len(rates) // max(1, settings.total_steps), len(rates) - 1)]


def make_model(env: VecNormalize, settings: ExpertSettings, seed: int) -> PPO:
    """PPO with separate tanh networks for policy and value and a fixed standard deviation."""
    rate = settings.learning_rate[0]
    model = make_ppo(env, "experts", settings, settings.noise, seed, learning_rate=rate)
    model.policy.log_std.requires_grad_(False)
    return model


def _task(
    segment: Trajectory, n_worlds: int, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> TrackingTask:
    return TrackingTask(
        References([segment]),
        n_worlds,
        observables=TIME_INDEX,
        ref_steps=tracking.ref_steps,
        min_steps=settings.min_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
        seed=seed,
    )
