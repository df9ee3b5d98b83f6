"""The new tasks as a task policy meets them: it acts through the motor intention of a low-level policy."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnvWrapper

from mocapact_core.envs import TaskVecEnv, action_space
from mocapact_core.errors import InputError, nearest
from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.humanoid.observables import BASE, side_by_side
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.npmp import NPMP
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.tasks.go_to_target import GoToTargetTask
from mocapact_core.tasks.standing import StandingTask, stand_pose
from mocapact_core.tasks.velocity_control import VelocityControlTask

TASKS: dict[str, type[GoToTargetTask] | type[VelocityControlTask]] = {
    "go_to_target": GoToTargetTask,
    "velocity_control": VelocityControlTask,
}


def make_task(
    name: str, n_worlds: int, n_threads: int = 1, seed: int = 0, stand: str | PathLike | None = None
) -> StandingTask:
    """The task of this name, as published.

    Args:
        stand: file of the clip whose first frame episodes begin in; None: the project's own stand.

    Raises:
        InputError: there is no such task or clip.
    """
    if name not in TASKS:
        raise InputError(
            f"There is no transfer task {name!r}. There are {len(TASKS)}: {nearest(name, list(TASKS))}."
        )
    pose = stand_pose(None if stand is None else Path(stand))
    return TASKS[name](n_worlds, pose=pose, n_threads=n_threads, seed=seed)


class LowLevel:
    """What stands between a task policy and the humanoid: the decoder of a multi-clip policy, or nothing.

    Args:
        decoder: the multi-clip policy, whose decoder is computed in oneDNN from now on: one of 3x1024 takes 64 us a
            step there instead of 101, with 32 worlds. None, and actions move the humanoid.
    """

    def __init__(self, decoder: NPMP | None = None):
        if decoder is not None:
            use_onednn(decoder.decoder)
        self.decoder = decoder
        self.action_size = N_JOINTS if decoder is None else decoder.intention_size
        """Elements of the task policy's action: of the motor intention, or 56."""

    @classmethod
    def load(cls, folder: str | PathLike | None) -> "LowLevel":
        """Read the policy in results/distillation/<policy>/<seed>; None for no low-level policy.

        Raises:
            InputError: there is no policy there, or it has no decoder.
        """
        policy = None if folder is None else load_policy(Path(folder))
        if policy is not None and not isinstance(policy, NPMP):
            raise InputError(
                f"{folder} holds a policy of class {type(policy).__name__}, but only the decoder of an NPMP can "
                "be a low-level policy. Name an npmp policy in transfer.low_level, or none."
            )
        return cls(policy)

    def act(self, proprioception: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The humanoid's actions (n, 56) in [-1, 1].

        Args:
            proprioception: (n, 205) the observables BASE.
            action: (n, action_size) of the task policy.
        """
        if self.decoder is None:
            return np.clip(action, -1.0, 1.0)
        return self.decoder.act(proprioception, action)


class TransferVecEnv(VecEnvWrapper):
    """A task whose action is that of the task policy, each element at most `max_action` in magnitude.

    The low-level policy is part of the environment and does not learn (paper, section 5.1.2).
    """

    def __init__(self, venv: TaskVecEnv, low_level: LowLevel, max_action: float):
        super().__init__(venv, action_space=action_space(low_level.action_size, max_action))
        self.low_level = low_level
        self._proprioception = np.zeros((self.num_envs, 0), np.float32)

    def reset(self) -> dict[str, np.ndarray]:
        return self._sense(self.venv.reset())

    def snapshot(self) -> dict[str, Any]:
        """A copy of all that the worlds go on from, see `Task.snapshot`."""
        assert isinstance(self.venv, TaskVecEnv)
        return {**self.venv.snapshot(), "proprioception": self._proprioception.copy()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Let the worlds go on from a snapshot, to the bit."""
        assert isinstance(self.venv, TaskVecEnv)
        self.venv.restore(snapshot)
        self._proprioception = snapshot["proprioception"]

    def step_async(self, actions: np.ndarray) -> None:
        self.venv.step_async(self.low_level.act(self._proprioception, actions))

    def step_wait(self):
        observation, rewards, dones, infos = self.venv.step_wait()
        return self._sense(observation), rewards, dones, infos

    def _sense(self, observation) -> dict[str, np.ndarray]:
        """Keep what the low-level policy sees: the observation itself may be normalised on its way out."""
        self._proprioception = side_by_side(observation, BASE)
        return observation
