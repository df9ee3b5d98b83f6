"""What a task policy earns: a fixed set of episodes, acted without noise (paper, Table 3)."""

import io
import pickle
import zipfile
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO

from mocapact_core.errors import InputError
from mocapact_core.files import write_json
from mocapact_core.intervals import mean_and_interval
from mocapact_core.policies.checkpoint import statistics
from mocapact_core.policies.unpickling import load_pickle
from mocapact_core.provenance import provenance
from mocapact_core.settings import LowLevelSettings, TransferSettings
from mocapact_core.transfer.environment import LowLevel, make_task
from mocapact_core.transfer.episodes import Playback, actor, play, run_episodes
from mocapact_core.transfer.train import MODEL, NORMALIZER, inputs_of, make_env, make_model

DAMAGE = (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, AttributeError, RuntimeError, EOFError)
"""What reading a file of a task policy raises when the file is not what it should be."""


def evaluate_transfer(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    output: str | PathLike,
    settings: TransferSettings,
    seed: int,
    stand: str | PathLike | None = None,
) -> None:
    """Evaluate the task policy in `folder` and write `output` (JSON).

    The episodes are those of the seeds 0, 1, 2, ... whatever seed the training had, so that all policies of a
    task meet the same starts and goals. Standard deviations are those of the whole set; intervals are the 95 %
    confidence intervals of means over episodes, not over trainings.

    Args:
        policy_folder, stand: as for the training.
    """
    torch.set_num_threads(settings.threads)
    decoder = LowLevel.load(policy_folder)
    model = load_model(Path(folder), task, decoder, low_level, settings)
    worlds = make_task(task, settings.evaluation_episodes, settings.threads, stand=stand)
    episodes = run_episodes(worlds, actor(model, decoder, worlds), np.arange(worlds.n_worlds))
    used = settings.model_dump(include={"evaluation_episodes", "threads"})
    inputs = {name: Path(folder) / name for name in (MODEL, NORMALIZER)} | inputs_of(policy_folder, stand)
    write_json(
        output,
        {
            "task": task,
            "low_level": low_level.policy,
            "training_seed": seed,
            "episodes": settings.evaluation_episodes,
            **_statistics("return", episodes.returns),
            **_statistics("length", episodes.lengths),
            "fallen": float(episodes.fallen.mean()),
            "returns": episodes.returns.tolist(),
            "lengths": episodes.lengths.tolist(),
            "provenance": provenance({"task": task, **used, "low_level": low_level}, inputs),
        },
    )


def _statistics(name: str, values: np.ndarray) -> dict[str, float | list[float]]:
    of_mean = mean_and_interval(values, seed=0)
    return {
        f"mean_{name}": of_mean["mean"],
        f"std_{name}": float(values.std()),
        f"{name}_interval": [of_mean["low"], of_mean["high"]],
    }


def playback(
    task: str,
    low_level: LowLevelSettings,
    policy_folder: str | PathLike | None,
    folder: str | PathLike,
    settings: TransferSettings,
    seed: int = 0,
    stand: str | PathLike | None = None,
) -> Playback:
    """The episode of a seed, one of those evaluated where `seed` < `evaluation_episodes`, step by step.

    It may part from the evaluated one after a while: networks round differently for one world than for many.

    Args:
        task, low_level, policy_folder, folder, stand: as in `evaluate_transfer`.

    Raises:
        InputError: see `load_model`.
    """
    torch.set_num_threads(1)
    decoder = LowLevel.load(policy_folder)
    model = load_model(Path(folder), task, decoder, low_level, settings)
    world = make_task(task, n_worlds=1, stand=stand)
    return play(world, actor(model, decoder, world), seed)


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
