"""A training that was stopped goes on where its last checkpoint was, as if nothing had happened.

One file holds the policy, its optimiser, the running statistics and the progress so far. Nothing of it is
unpickled. Worlds and random numbers need no place in it: training begins new episodes and new random numbers at
every checkpoint (`begin_anew`), whether it was interrupted there or not.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.errors import InputError
from mocapact_core.files import atomic
from mocapact_core.seeds import derived_seed


def save_checkpoint(path: Path, model: PPO, progress: list[list[float]], identity: dict[str, Any]) -> None:
    """Write the state of a training.

    Args:
        progress: rows of progress.csv.
        identity: plain JSON; what must be equal for another run to go on from here.
    """
    content = {
        "identity": json.dumps(identity, sort_keys=True),
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "progress": progress,
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "statistics": {
            name: (torch.as_tensor(running.mean), torch.as_tensor(running.var), float(running.count))
            for name, running in statistics(normalizer_of(model)).items()
        },
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, model: PPO, identity: dict[str, Any]) -> list[list[float]]:
    """Bring `model` and its normaliser to where the checkpoint was.

    No file, or one of another identity, changes nothing.

    Returns:
        the rows of progress.csv so far.
    """
    if not path.exists():
        return []
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["identity"] != json.dumps(identity, sort_keys=True):
            print(f"{path} is from a training with other settings or other input; starting anew.")
            return []
        model.policy.load_state_dict(content["policy"])
        model.policy.optimizer.load_state_dict(content["optimizer"])
    except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}). Delete it; training then starts from the beginning."
        ) from None
    model.num_timesteps, model._n_updates = content["steps"], content["updates"]
    for name, running in statistics(normalizer_of(model)).items():
        mean, var, count = content["statistics"][name]
        running.mean, running.var, running.count = mean.numpy()[()], var.numpy()[()], count
    print(f"Going on from {path} at {model.num_timesteps:,} steps.")
    return content["progress"]


def begin_anew(model: PPO, seed: int) -> None:
    """New episodes and random numbers, given by the seed and the steps so far alone."""
    drawn = derived_seed(seed, model.num_timesteps)
    set_random_seed(drawn)
    normalizer_of(model).seed(drawn)
    model._last_obs = None  # `learn` then resets the worlds


def normalizer_of(model: PPO) -> VecNormalize:
    normalizer = model.get_vec_normalize_env()
    assert normalizer is not None, "training always normalises observations and rewards"
    return normalizer


def statistics(normalizer: VecNormalize) -> dict[str, RunningMeanStd]:
    """The running statistics by name: one an observable, and that of the discounted return."""
    assert isinstance(normalizer.obs_rms, dict)
    return {**normalizer.obs_rms, "return": normalizer.ret_rms}
