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

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.experts.controls import Controls, balanced, inverse_dynamics
from mocapact_core.experts.interchange import start_from
from mocapact_core.experts.learner import Learner, make_learner
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
from mocapact_core.experts.warm_start import fit_value, warm_start
from mocapact_core.experts.zoo import experts_to_start_from
from mocapact_core.files import copy
from mocapact_core.policies.checkpoint import Checkpoints
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import MODEL, NORMALIZER, named_parts, write_clip_info
from mocapact_core.policies.guard import Guard
from mocapact_core.policies.parameters import write_parameters
from mocapact_core.policies.ppo import FollowKL, update
from mocapact_core.policies.published import put_into, read_published
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import ExpertSettings, TrackingSettings

TRAINING = "training"
"""Folder of a training that has not ended: the checkpoint and the best model so far. Snakemake deletes the outputs
of a job before it runs again, so what training goes on from must not be one of them."""
CHECKPOINT = "checkpoint.pth"
ANNEALING_FROM = 0.6  # of all steps; then updates become smaller
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
    learner = make_learner(segment, settings, tracking, seed)
    model = learner.model
    evaluate = Evaluator(learner.evaluation_task, settings, seed)
    checkpoints = Checkpoints(folder / TRAINING / CHECKPOINT, model, identity, settings.checkpoint_every)
    progress = checkpoints.resume()
    evaluations = [Evaluation(*row) for row in progress or []]
    writers = open_writers(folder, settings.wandb, identity, resumed=progress is not None)
    if evaluations:
        write_progress(folder / PROGRESS, evaluations)

    with Monitor(model, settings.total_steps, writers) as monitor, checkpoints.interruptible():
        callbacks = [Guard(folder / TRAINING, "experts"), *_adaptation(settings), monitor]
        if progress is None:
            _begin(learner, segment, start, settings, tracking, seed)
        while True:
            model.lr_schedule = FloatSchedule(ConstantSchedule(step_size(model, settings)))
            checkpoints.mark([astuple(evaluation) for evaluation in evaluations])
            if evaluation_is_due(evaluations, model.num_timesteps, settings):
                learner.update_expert()
                evaluation = evaluate(learner.expert)
                if is_best(evaluation, evaluations):
                    save_model(learner.expert, folder / TRAINING / MODEL.name, record)
                    save_normalizer(learner.expert_env, folder / TRAINING / NORMALIZER.name)
                evaluations.append(evaluation)
                write_progress(folder / PROGRESS, evaluations)
                monitor.evaluated(evaluation)
            if is_finished(evaluations, settings):
                break
            update(model, callbacks)

        checkpoints.save()
        _write_best(learner, evaluations, folder, record, derived_seed(seed, "value"))

    write_parameters(Expert.load(folder).data, folder, record)
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


def _begin(
    learner: Learner,
    segment: Trajectory,
    start: Path | None,
    settings: ExpertSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Where the training starts: at another expert, at what a teacher does, or at random weights."""
    if start:
        start_from(start, learner.expert, learner.expert_env)
        learner.take_expert()
        if learner.is_privileged:
            fit_value(learner.model, learner.env, derived_seed(seed, "warm_start"))
            learner.take_expert()  # its statistics, which the worlds have moved meanwhile
    elif settings.warm_start != "none":
        teacher = _teacher(segment, settings, tracking, seed)
        warm_start(learner.model, learner.env, learner.task, teacher, derived_seed(seed, "warm_start"))


def _write_best(
    learner: Learner, evaluations: list[Evaluation], folder: Path, record: dict[str, Any], seed: int
) -> None:
    """The best model so far becomes the result, with a value network where only the training's critic has had one."""
    files = [folder / TRAINING / file.name for file in (MODEL, NORMALIZER)]
    if not learner.is_privileged:
        for file, target in zip(files, (MODEL, NORMALIZER), strict=True):
            copy(file, folder / target)
        return
    expert, env = learner.expert, learner.expert_env
    put_into(read_published(*files), expert, env)
    expert.num_timesteps = max(evaluations, key=lambda evaluation: evaluation.normalized_reward).steps
    env.training = False
    fit_value(expert, env, seed)
    env.training = True
    save_model(expert, folder / MODEL, record)
    save_normalizer(env, folder / NORMALIZER)


def _adaptation(settings: ExpertSettings) -> list[BaseCallback]:
    if settings.target_kl is None:
        return []
    return [FollowKL(settings.target_kl, round(ANNEALING_FROM * settings.total_steps), settings.total_steps)]


def _teacher(
    segment: Trajectory, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> Controls:
    if settings.warm_start == "sampling":
        return sampled_controls(segment, tracking.ref_steps, derived_seed(seed, "sampling"), settings.threads)
    return balanced(segment) if settings.warm_start == "balance" else inverse_dynamics(segment)


def step_size(model: PPO, settings: ExpertSettings) -> float:
    """Adam's step size for the next update: as adapted, or each of `learning_rate` for an equal share of the training."""
    if settings.target_kl is not None:
        return model.policy.optimizer.param_groups[0]["lr"]
    rates = settings.learning_rate
    share = model.num_timesteps * len(rates) // max(1, settings.total_steps)
    return rates[min(share, len(rates) - 1)]
