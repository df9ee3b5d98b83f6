"""What a task policy earns: a fixed set of episodes, acted without noise (paper, Table 3)."""

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO

from mocapact_core.config import LowLevelSettings, TransferSettings
from mocapact_core.envs import as_dict
from mocapact_core.errors import InputError
from mocapact_core.files import write_json
from mocapact_core.humanoid.observables import BASE
from mocapact_core.policies.checkpoint import normalizer_of, statistics
from mocapact_core.policies.unpickling import load_pickle
from mocapact_core.provenance import provenance
from mocapact_core.tasks.standing import StandingTask
from mocapact_core.transfer.environment import LowLevel, make_task
from mocapact_core.transfer.train import MODEL, NORMALIZER, make_env, make_model

Act = Callable[[np.ndarray], np.ndarray]
"""The humanoid's actions (n, 56) for observations (n, D) of the task."""

DAMAGE = (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, AttributeError, RuntimeError, EOFError)
"""What reading a file of a task policy raises when the file is not what it should be."""


@dataclass(frozen=True)
class Episodes:
    """What came of E episodes, in the order of their seeds."""

    returns: np.ndarray
    """(E,) sum of rewards."""
    lengths: np.ndarray
    """(E,) steps."""
    fallen: np.ndarray
    """(E,) bool: ended by a fall rather than by time."""


def evaluate_transfer(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    output: str | PathLike,
    settings: TransferSettings,
    seed: int,
) -> None:
    """Evaluate the task policy in `folder` and write `output` (JSON).

    The episodes are those of the seeds 0, 1, 2, ... whatever seed the training had, so that all policies of a
    task meet the same starts and goals. Standard deviations are those of the whole set.
    """
    torch.set_num_threads(settings.threads)
    decoder = LowLevel.load(None if policy_folder is None else Path(policy_folder))
    model = load_model(Path(folder), task, decoder, low_level, settings)
    worlds = make_task(task, settings.evaluation_episodes, settings.threads)
    episodes = run_episodes(worlds, actor(model, decoder, worlds))
    used = settings.model_dump(include={"evaluation_episodes", "threads"})
    inputs = {name: Path(folder) / name for name in (MODEL, NORMALIZER)}
    if policy_folder is not None:
        inputs["low_level"] = Path(policy_folder) / "model.safetensors"
    write_json(
        output,
        {
            "task": task,
            "low_level": low_level.policy,
            "training_seed": seed,
            "episodes": settings.evaluation_episodes,
            "mean_return": float(episodes.returns.mean()),
            "std_return": float(episodes.returns.std()),
            "mean_length": float(episodes.lengths.mean()),
            "std_length": float(episodes.lengths.std()),
            "fallen": float(episodes.fallen.mean()),
            "returns": episodes.returns.tolist(),
            "lengths": episodes.lengths.tolist(),
            "provenance": provenance({"task": task, **used, "low_level": low_level}, inputs),
        },
    )


def run_episodes(task: StandingTask, act: Act) -> Episodes:
    """One whole episode in each world: that of seed i in world i."""
    n = task.n_worlds
    returns, lengths, fallen = np.zeros(n), np.zeros(n, int), np.zeros(n, bool)
    running = np.arange(n)
    task.start(running, running)
    while running.size:
        step = task.step(act(task.observe(running)), running)
        returns[running] += step.reward
        lengths[running] += 1
        fallen[running] = step.terminated
        running = running[~step.done]
    return Episodes(returns, lengths, fallen)


def actor(model: PPO, low_level: LowLevel, task: StandingTask) -> Act:
    """The task policy's mean action, through the low-level policy."""
    normalizer = normalizer_of(model)
    proprioception = task.columns_of(BASE)

    def act(observation: np.ndarray) -> np.ndarray:
        inputs = normalizer.normalize_obs(as_dict(task, observation))
        action, _ = model.predict(inputs, deterministic=True)  # type: ignore[arg-type]
        return low_level.act(observation[:, proprioception], action)

    return act


def load_model(
    folder: Path, task: str, low_level: LowLevel, limits: LowLevelSettings, settings: TransferSettings
) -> PPO:
    """The task policy that `train_transfer` wrote, with its normaliser. Only weights are read from its zip.

    Raises:
        InputError: a file is missing or damaged, or is of another task or low-level policy.
    """
    env = make_env(task, low_level, limits, settings, n_worlds=1, seed=0)
    env.training = False
    record = load_pickle(folder / NORMALIZER)
    try:
        with zipfile.ZipFile(folder / MODEL) as archive:
            content = io.BytesIO(archive.read("policy.pth"))
        weights = torch.load(content, map_location="cpu", weights_only=True)
        sizes = settings.model_copy(update={"hidden": _hidden_sizes(weights)})
        model = make_model(env, limits, sizes, seed=0)
        model.policy.load_state_dict(weights)
        saved = {**record.obs_rms, "return": record.ret_rms}
        for name, running in statistics(env).items():
            running.mean, running.var = saved[name].mean, saved[name].var
    except FileNotFoundError:
        raise InputError(
            f"There is no task policy in {folder}: {MODEL} is missing. Train it first."
        ) from None
    except DAMAGE as error:
        raise InputError(
            f"The task policy in {folder} cannot be used ({type(error).__name__}: {error}). It is damaged, "
            f"or of another task than {task} or another low-level policy; train it again."
        ) from None
    return model


def _hidden_sizes(weights: dict[str, torch.Tensor]) -> list[int]:
    """Units of the hidden layers, which the settings of an evaluation need not tell."""
    names = [
        name for name in weights if name.startswith("mlp_extractor.policy_net") and name.endswith("bias")
    ]
    return [len(weights[name]) for name in names]
