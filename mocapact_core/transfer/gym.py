"""`GoToTarget-v0` and `VelocityControl-v0` of gymnasium, with a low-level policy as an option.

`mocapact_core.envs` registers them.
"""

from os import PathLike
from typing import Any

import numpy as np

from mocapact_core.envs import TaskEnv, TaskVecEnv, action_space
from mocapact_core.humanoid.observables import BASE
from mocapact_core.settings import LowLevelSettings
from mocapact_core.tasks.standing import StandingTask
from mocapact_core.transfer.environment import TASKS, LowLevel, TransferVecEnv
from mocapact_core.vector import VectorWorlds

MAX_ACTION = LowLevelSettings().max_action


class TransferEnv(TaskEnv):
    """One world, whose action is the motor intention of a low-level policy, each element at most `max_action`."""

    def __init__(self, task: StandingTask, low_level: LowLevel, max_action: float):
        super().__init__(task)
        self.low_level = low_level
        self.action_space = action_space(low_level.action_size, max_action)
        self.proprioception = task.columns_of(BASE)

    def step(self, action: np.ndarray):
        senses = self.task.observe()[:, self.proprioception]
        return super().step(self.low_level.act(senses, np.asarray(action)[None])[0])


def make(
    task: str, low_level: str | PathLike | None = None, max_action: float = MAX_ACTION, **options: Any
) -> TaskEnv:
    """One world of a task.

    Args:
        task: go_to_target or velocity_control.
        low_level: folder of an npmp policy, results/distillation/<policy>/<seed>, through whose decoder actions
            move the humanoid; None: they move it directly.
        max_action: largest magnitude of an action element with a low-level policy (paper, Table 7); 1 without.
        **options: keyword arguments of the task.

    Raises:
        InputError: there is no policy in the folder, or it has no decoder.
    """
    world = TASKS[task](1, **options)
    return TaskEnv(world) if low_level is None else TransferEnv(world, LowLevel.load(low_level), max_action)


def make_vector(
    task: str,
    num_envs: int = 1,
    low_level: str | PathLike | None = None,
    max_action: float = MAX_ACTION,
    **options: Any,
) -> VectorWorlds:
    """Many worlds of a task, stepped together; see `make`."""
    worlds = TaskVecEnv(TASKS[task](num_envs, **options))
    if low_level is None:
        return VectorWorlds(worlds)
    return VectorWorlds(TransferVecEnv(worlds, LowLevel.load(low_level), max_action))
