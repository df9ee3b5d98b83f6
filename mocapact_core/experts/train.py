"""Training the expert of one snippet: PPO (Schulman et al., 2017) on the tracking task, paper Table 5."""

import csv
import io
import shutil
from dataclasses import astuple, dataclass
from os import PathLike
from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory, read_trajectory
from mocapact_core.config import ExpertSettings, TrackingSettings
from mocapact_core.envs import TaskVecEnv, as_dict
from mocapact_core.experts.controls import Controls, inverse_dynamics
from mocapact_core.experts.sampling import sampled_controls
from mocapact_core.experts.warm_start import warm_start
from mocapact_core.files import copy, write_text
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.checkpoint import begin_anew, load_checkpoint, normalizer_of, save_checkpoint
from mocapact_core.policies.expert import MODEL, NORMALIZER, write_clip_info
from mocapact_core.policies.ppo import make_ppo
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

TRAINING = "training"
"""Folder of a training that has not ended: the checkpoint and the best model so far. Snakemake deletes the outputs
of a job before it runs again, so what training goes on from must not be one of them."""
PROGRESS = "progress.csv"
EVALUATION_MIN_STEPS = 30  # evaluation episodes start this many steps before the end, paper appendix B.1.2


@dataclass(frozen=True)
class Evaluation:
    """One line of progress.csv."""

    steps: int
    normalized_reward: float
    normalized_length: float


def train_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    settings: ExpertSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Train an expert and write it in MoCapAct's layout: of all evaluations, the model with the best reward.

    Training that was interrupted goes on from its last evaluation and, on the CPU, ends with the same bytes.

    Args:
        trajectory_path: file of the clip.
        folder: gets clip_info.json, eval_rsi/model/{best_model.zip,vecnormalize.pkl} and progress.csv.
            provenance.json is in the zip.
    """
    record = provenance({"experts": settings, "tracking": tracking}, {"clip": trajectory_path}, seed)
    torch.set_num_threads(settings.threads)
    folder, seed = Path(folder), derived_seed(seed, snippet.name)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    task = _task(segment, settings.workers, settings, tracking, seed)
    env = VecNormalize(TaskVecEnv(task, bootstrap_at_end=False), gamma=settings.gamma)
    model = make_model(env, settings, seed)
    evaluate = Evaluator(_task(segment, settings.workers, settings, tracking, seed), settings, seed)
    identity = {**record, "snippet": snippet.name}
    training = folder / TRAINING
    checkpoint = training / "checkpoint.pth"
    rows = load_checkpoint(checkpoint, model, identity)
    evaluations = [Evaluation(int(steps), *scores) for steps, *scores in rows]

    def keep(evaluation: Evaluation) -> None:
        if all(evaluation.normalized_reward > before.normalized_reward for before in evaluations):
            save_model(model, training / MODEL.name, record)
            save_normalizer(env, training / NORMALIZER.name)
        evaluations.append(evaluation)
        write_progress(folder / PROGRESS, evaluations)
        save_checkpoint(checkpoint, model, [list(astuple(e)) for e in evaluations], identity)

    if not evaluations:
        if settings.warm_start != "none":
            teacher = _teacher(segment, settings, tracking, seed)
            warm_start(model, env, task, teacher, derived_seed(seed, "warm_start"))
        keep(evaluate(model))
    while model.num_timesteps < settings.total_steps:
        begin_anew(model, seed)
        model.lr_schedule = FloatSchedule(ConstantSchedule(step_size(model.num_timesteps, settings)))
        steps = min(settings.evaluate_every, settings.total_steps - model.num_timesteps)
        model.learn(steps, reset_num_timesteps=False)
        keep(evaluate(model))
    for file in (MODEL, NORMALIZER):
        copy(training / file.name, folder / file)
    write_progress(folder / PROGRESS, evaluations)
    write_clip_info(folder, snippet.clip, snippet.start, snippet.end)
    shutil.rmtree(training)


def _teacher(
    segment: Trajectory, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> Controls:
    if settings.warm_start == "sampling":
        return sampled_controls(segment, tracking.ref_steps, derived_seed(seed, "sampling"), settings.threads)
    return inverse_dynamics(segment)


def step_size(steps: int, settings: ExpertSettings) -> float:
    """Adam's step size after so many environment steps: each of `learning_rate` has an equal share."""
    rates = settings.learning_rate
    return rates[min(steps * len(rates) // settings.total_steps, len(rates) - 1)]


def make_model(env: VecNormalize, settings: ExpertSettings, seed: int) -> PPO:
    """PPO with separate tanh networks for policy and value and a fixed standard deviation."""
    rate = settings.learning_rate[0]
    model = make_ppo(env, "experts", settings, settings.noise, seed, learning_rate=rate)
    model.policy.log_std.requires_grad_(False)
    return model


class Evaluator:
    """Evaluates a model under training on the same noisy episodes from random starts each time."""

    def __init__(self, task: TrackingTask, settings: ExpertSettings, seed: int):
        self.task, self.noise = task, settings.noise
        start_seed, self.noise_seed = (derived_seed(seed, purpose) for purpose in ("starts", "noise"))
        self.starts = random_starts(task, settings.evaluation_episodes, EVALUATION_MIN_STEPS, start_seed)

    def __call__(self, model: PPO) -> Evaluation:
        normalizer = normalizer_of(model)

        def policy(observation, state, fresh):
            inputs = normalizer.normalize_obs(as_dict(self.task, observation))
            return model.predict(inputs, deterministic=True)[0], None

        episodes = run_episodes(self.task, *self.starts, policy, self.noise, self.noise_seed)
        evaluation = Evaluation(
            model.num_timesteps,
            float(episodes.normalized_returns.mean()),
            float(episodes.normalized_lengths.mean()),
        )
        print(
            f"{evaluation.steps:>11,} steps: normalised reward {evaluation.normalized_reward:.3f}, "
            f"normalised length {evaluation.normalized_length:.3f}",
            flush=True,
        )
        return evaluation


def write_progress(path: Path, evaluations: list[Evaluation]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["steps", "normalized_reward", "normalized_length"])
    writer.writerows(
        [e.steps, f"{e.normalized_reward:.6f}", f"{e.normalized_length:.6f}"] for e in evaluations
    )
    write_text(path, text.getvalue())


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
