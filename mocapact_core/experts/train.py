"""Training the expert of one snippet: PPO (Schulman et al., 2017) on the tracking task, paper Table 5."""

import csv
import io
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import ExpertSettings, TrackingSettings
from mocapact_core.envs import TaskVecEnv, as_dict
from mocapact_core.errors import InputError
from mocapact_core.experts.feedforward import feedforward
from mocapact_core.experts.warm_start import warm_start
from mocapact_core.files import write_text
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.expert import MODEL, NORMALIZER, write_clip_info
from mocapact_core.policies.sb3 import save_model, save_normalizer
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.episodes import random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

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

    Args:
        trajectory_path: file of the clip.
        folder: gets clip_info.json, eval_rsi/model/{best_model.zip,vecnormalize.pkl} and progress.csv.
            provenance.json is in the zip.
    """
    record = provenance({"experts": settings, "tracking": tracking}, {"clip": trajectory_path}, seed)
    torch.set_num_threads(settings.threads)
    seed = derived_seed(seed, snippet.name)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    references = References([segment])
    task = _task(references, settings.workers, settings, tracking, seed)
    env = VecNormalize(TaskVecEnv(task, bootstrap_at_end=False), gamma=settings.gamma)
    model = make_model(env, settings, seed)
    if settings.warm_start == "inverse_dynamics":
        warm_start(model, env, task, feedforward(segment), derived_seed(seed, "warm_start"))
    keeper = BestModel(Path(folder), references, settings, tracking, seed, record)
    model.learn(settings.total_steps, callback=keeper)
    write_clip_info(Path(folder), snippet.clip, snippet.start, snippet.end)


def make_model(env: VecNormalize, settings: ExpertSettings, seed: int) -> PPO:
    """PPO with separate tanh networks for policy and value and a fixed standard deviation."""
    if settings.steps_per_update % settings.workers:
        raise InputError(
            f"experts.steps_per_update is {settings.steps_per_update}, which experts.workers "
            f"({settings.workers}) does not divide. Choose a multiple."
        )
    hidden = list(settings.hidden)
    model = PPO(
        "MultiInputPolicy",
        env,
        learning_rate=settings.learning_rate[0],
        n_steps=settings.steps_per_update // settings.workers,
        batch_size=settings.minibatch,
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        max_grad_norm=settings.max_grad_norm,
        policy_kwargs={
            "net_arch": {"pi": hidden, "vf": hidden},
            "activation_fn": nn.Tanh,
            "log_std_init": float(np.log(settings.noise)),
        },
        seed=seed,
        device="cpu",
    )
    model.policy.log_std.requires_grad_(False)
    return model


class BestModel(BaseCallback):
    """Evaluates between updates, writes progress.csv, keeps the model with the best reward, sets the step size."""

    def __init__(
        self,
        folder: Path,
        references: References,
        settings: ExpertSettings,
        tracking: TrackingSettings,
        seed: int,
        record: dict[str, Any],
    ):
        super().__init__()
        self.folder, self.settings, self.record = folder, settings, record
        self.task = _task(references, settings.workers, settings, tracking, seed)
        start_seed, self.noise_seed = (derived_seed(seed, purpose) for purpose in ("starts", "noise"))
        self.starts = random_starts(self.task, settings.evaluation_episodes, EVALUATION_MIN_STEPS, start_seed)
        self.evaluations: list[Evaluation] = []

    def _on_training_start(self) -> None:
        self._evaluate()  # the warm start counts too

    def _on_rollout_start(self) -> None:
        if self.num_timesteps - self.evaluations[-1].steps >= self.settings.evaluate_every:
            self._evaluate()
        rates = self.settings.learning_rate
        share = min(int(self.num_timesteps / max(1, self.settings.total_steps) * len(rates)), len(rates) - 1)
        self.model.lr_schedule = FloatSchedule(ConstantSchedule(rates[share]))

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self.num_timesteps > self.evaluations[-1].steps:
            self._evaluate()

    def _evaluate(self) -> None:
        env = self.model.get_vec_normalize_env()
        assert isinstance(env, VecNormalize)

        def policy(observation, state, fresh):
            inputs = env.normalize_obs(as_dict(self.task, observation))
            return self.model.predict(inputs, deterministic=True)[0], None

        episodes = run_episodes(self.task, *self.starts, policy, self.settings.noise, self.noise_seed)
        evaluation = Evaluation(
            self.num_timesteps,
            float(episodes.normalized_returns.mean()),
            float(episodes.normalized_lengths.mean()),
        )
        if all(evaluation.normalized_reward > before.normalized_reward for before in self.evaluations):
            save_model(self.model, self.folder / MODEL, self.record)
            save_normalizer(env, self.folder / NORMALIZER)
        self.evaluations.append(evaluation)
        write_progress(self.folder / "progress.csv", self.evaluations)
        print(
            f"{evaluation.steps:>10,} steps: normalised reward {evaluation.normalized_reward:.3f}, "
            f"normalised length {evaluation.normalized_length:.3f}",
            flush=True,
        )


def write_progress(path: Path, evaluations: list[Evaluation]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["steps", "normalized_reward", "normalized_length"])
    writer.writerows(
        [e.steps, f"{e.normalized_reward:.6f}", f"{e.normalized_length:.6f}"] for e in evaluations
    )
    write_text(path, text.getvalue())


def _task(
    references: References, n_worlds: int, settings: ExpertSettings, tracking: TrackingSettings, seed: int
) -> TrackingTask:
    return TrackingTask(
        references,
        n_worlds,
        observables=TIME_INDEX,
        ref_steps=tracking.ref_steps,
        min_steps=settings.min_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
        seed=seed,
    )
