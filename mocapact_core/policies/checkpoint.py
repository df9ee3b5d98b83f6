"""A training that was stopped goes on from its checkpoint as if nothing had happened, on the CPU to the bit.

A checkpoint is all that a training goes on from between two updates: policy, optimiser, running statistics, worlds,
random numbers and the progress so far. So it does not matter to the result when one is made. It is plain data and
tensors; nothing of it is unpickled.
"""

import contextlib
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.errors import InputError
from mocapact_core.files import write_tensors
from mocapact_core.interruption import interruptible

COUNTERS = (
    "num_timesteps",
    "_n_updates",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_current_progress_remaining",
)
"""Numbers that stable-baselines3 counts in; all of them stand in its zip."""


class Worlds(Protocol):
    """What the `VecEnv` under the normaliser must know, see `TaskVecEnv`."""

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, snapshot: dict[str, Any]) -> None: ...


class Checkpoints:
    """The state of a training: in memory as of its last update, on disk at an interval and when it is interrupted.

    Args:
        path: the file. It appears whole or not at all.
        model: PPO on a `VecNormalize` over `Worlds`.
        identity: plain JSON; what must be equal for another run to go on from here.
        every: environment steps between files.
    """

    def __init__(self, path: Path, model: PPO, identity: dict[str, Any], every: int):
        self.path, self.model, self.every = path, model, every
        self.identity = json.dumps(identity, sort_keys=True)
        self._latest: dict[str, Any] | None = None
        self._due = 0

    def resume(self) -> Any:
        """Bring the training to where the file is.

        No file, or one of another identity, changes nothing.

        Returns:
            the progress that was kept with it; None where there is nothing to go on from.

        Raises:
            InputError: the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["identity"] != self.identity:
                print(f"{self.path} is from a training with other settings or other input; starting anew.")
                return None
            _restore(self.model, content["state"])
        except (pickle.UnpicklingError, RuntimeError, LookupError, EOFError, ValueError, TypeError) as error:
            raise InputError(
                f"{self.path} is damaged ({type(error).__name__}). Delete it; training then starts from the "
                "beginning."
            ) from None
        self._due = self.model.num_timesteps + self.every
        print(f"Going on from {self.path} at {self.model.num_timesteps:,} steps.", flush=True)
        return content["progress"]

    def mark(self, progress: Any) -> None:
        """Take the state between two updates, to be kept; and keep it, where the interval has passed.

        Args:
            progress: plain data to keep with it.
        """
        self._latest = {"identity": self.identity, "progress": progress, "state": _state(self.model)}
        if self.model.num_timesteps >= self._due:
            self.save()

    def save(self) -> None:
        """Write the state as of the last `mark`."""
        assert self._latest is not None, "there is no state before the first mark"
        write_tensors(self.path, self._latest)
        self._due = self._latest["state"]["counters"]["num_timesteps"] + self.every

    def discard(self) -> None:
        """The training is over: nothing is to be gone on from."""
        self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, SIGTERM, SLURM's warnings and Ctrl-C keep the state as of the last `mark`, at once.

        An update takes longer than the half a minute that SLURM leaves after SIGTERM, so it is not waited for.
        """
        with interruptible():
            try:
                yield
            except KeyboardInterrupt as reason:
                if self._latest is None:
                    raise
                self.save()
                steps = self._latest["state"]["counters"]["num_timesteps"]
                where = f"Start it again to go on at {steps:,} steps from {self.path}."
                raise type(reason)(f"{reason} {where}".strip()) from None


def normalizer_of(model: PPO) -> VecNormalize:
    normalizer = model.get_vec_normalize_env()
    assert normalizer is not None, "training always normalises observations and rewards"
    return normalizer


def statistics(normalizer: VecNormalize) -> dict[str, RunningMeanStd]:
    """The running statistics by name: one an observable, and that of the discounted return."""
    assert isinstance(normalizer.obs_rms, dict)
    return {**normalizer.obs_rms, "return": normalizer.ret_rms}


def _worlds(normalizer: VecNormalize) -> Worlds:
    return cast(Worlds, normalizer.venv)


def _state(model: PPO) -> dict[str, Any]:
    """A copy of all that a training goes on from."""
    normalizer = normalizer_of(model)
    running = statistics(normalizer)
    return _each(
        _as_tensor,
        {
            "counters": {name: getattr(model, name) for name in COUNTERS},
            "policy": model.policy.state_dict(),
            "optimizer": model.policy.optimizer.state_dict(),
            "statistics": {name: (rms.mean, rms.var, rms.count) for name, rms in running.items()},
            "normalizer": {"clip_obs": normalizer.clip_obs, "epsilon": normalizer.epsilon},
            "returns": normalizer.returns,
            "worlds": _worlds(normalizer).snapshot(),
            "observation": model._last_obs,
            "episode_starts": model._last_episode_starts,
            "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 - stable-baselines3 draws from it
            "torch": torch.get_rng_state(),
        },
    )


def _restore(model: PPO, state: dict[str, Any]) -> None:
    """The inverse of `_state`."""
    for name, value in state["counters"].items():
        setattr(model, name, value)
    model.policy.load_state_dict(state["policy"])
    model.policy.optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["torch"])
    arrays = _each(_as_array, state)
    normalizer = normalizer_of(model)
    for name, running in statistics(normalizer).items():
        running.mean, running.var, running.count = arrays["statistics"][name]
    normalizer.clip_obs, normalizer.epsilon = state["normalizer"]["clip_obs"], state["normalizer"]["epsilon"]
    normalizer.returns = arrays["returns"]
    _worlds(normalizer).restore(arrays["worlds"])
    model._last_obs, model._last_episode_starts = arrays["observation"], arrays["episode_starts"]
    np.random.set_state(arrays["numpy"])  # noqa: NPY002


def _each(convert: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with every leaf converted. Branches are dictionaries, lists and tuples."""
    if isinstance(tree, dict):
        return {key: _each(convert, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_each(convert, value) for value in tree)
    return convert(tree)


def _as_tensor(leaf: Any) -> Any:
    """A copy, as a tensor where it is one or an array."""
    if isinstance(leaf, torch.Tensor):
        return leaf.detach().clone()
    return torch.tensor(leaf) if isinstance(leaf, np.ndarray | np.generic) else leaf


def _as_array(leaf: Any) -> Any:
    return leaf.numpy()[()] if isinstance(leaf, torch.Tensor) else leaf
