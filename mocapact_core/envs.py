"""The tasks as environments: stable-baselines3's VecEnv over many worlds, gymnasium's Env over one.

Importing this module registers `MocapTracking-v0`, `GoToTarget-v0` and `VelocityControl-v0` with gymnasium, for `make`
and for `make_vec`.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from mocapact_core.clips.builtin import BUILTIN, builtin_trajectory
from mocapact_core.clips.snippets import Snippet, parse_snippet
from mocapact_core.clips.trajectory import clip_lengths, read_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.humanoid.observables import PREFIX, TIME_INDEX
from mocapact_core.tasks.references import References
from mocapact_core.tasks.task import Task
from mocapact_core.tasks.tracking import TrackingTask
from mocapact_core.vector import VectorWorlds


def observation_space(task: Task) -> spaces.Dict:
    """One Box an observable. The order is the task's, which is the feature order of policies."""
    return spaces.Dict(
        OrderedDict(
            (PREFIX + name, spaces.Box(-np.inf, np.inf, (size,), np.float32))
            for name, size in task.sizes.items()
        )
    )


def action_space(size: int = N_JOINTS, limit: float = 1.0) -> spaces.Box:
    return spaces.Box(-limit, limit, (size,), np.float32)


def as_dict(task: Task, observation: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of an observation (..., D) by observable."""
    return {PREFIX + name: observation[..., columns] for name, columns in task.columns.items()}


class TaskVecEnv(VecEnv):
    """A task as stable-baselines3's VecEnv; worlds whose episode ends are reset at once.

    Args:
        task: the worlds.
        bootstrap_at_end: mark regular ends of episodes as time limits, so that the learner counts the value
            of the last state. MoCapAct does not: there an expert's value is 0 at the end of its snippet.
    """

    def __init__(self, task: Task, bootstrap_at_end: bool = True):
        self.task = task
        self.bootstrap_at_end = bootstrap_at_end
        self.render_mode = None
        self._actions = np.zeros((task.n_worlds, N_JOINTS), np.float32)
        self._returns = np.zeros(task.n_worlds)
        self._lengths = np.zeros(task.n_worlds, int)
        super().__init__(task.n_worlds, observation_space(task), action_space())

    def reset(self) -> dict[str, np.ndarray]:
        self.task.reset()
        self._returns[:], self._lengths[:] = 0, 0
        return as_dict(self.task, self.task.observe())

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self):
        step = self.task.step(self._actions)
        observation = self.task.observe()
        self._returns += step.reward
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if len(ended := np.flatnonzero(step.done)):
            for world in ended:
                infos[world] = self._episode_info(
                    int(world), observation[world].copy(), step.truncated[world]
                )
            self._returns[ended], self._lengths[ended] = 0, 0
            self.task.reset(ended)
            observation[ended] = self.task.observe(ended)
        return as_dict(self.task, observation), step.reward.astype(np.float32), step.done, infos

    def _episode_info(self, world: int, last_observation: np.ndarray, truncated: bool) -> dict[str, Any]:
        return {
            "episode": {"r": float(self._returns[world]), "l": int(self._lengths[world]), "t": 0.0},
            "terminal_observation": as_dict(self.task, last_observation),
            "TimeLimit.truncated": bool(truncated) and self.bootstrap_at_end,
        }

    def snapshot(self) -> dict[str, Any]:
        """A copy of all that the worlds go on from, see `Task.snapshot`."""
        return {
            "task": self.task.snapshot(),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Let the worlds go on from a snapshot, to the bit."""
        self.task.restore(snapshot["task"])
        self._returns[:], self._lengths[:] = snapshot["returns"], snapshot["lengths"]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self.task.rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices=None) -> list[Any]:
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices=None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *method_args, indices=None, **method_kwargs) -> list[Any]:
        result = getattr(self, method_name)(*method_args, **method_kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class, indices=None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))


class TaskEnv(gymnasium.Env):
    """One world of a task as gymnasium's Env. `terminated` is dm_control's discount 0, `truncated` a regular end."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(self, task: Task):
        if task.n_worlds != 1:
            raise ValueError(f"TaskEnv shows one world; this task has {task.n_worlds}. Use TaskVecEnv.")
        self.task = task
        self.observation_space = observation_space(task)
        self.action_space = action_space()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self.task.rng = np.random.default_rng(seed)
        self.begin(options or {})
        return self._observation(), {}

    def begin(self, options: dict[str, Any]) -> None:
        """Begin an episode; a task that knows options overrides this."""
        self.task.reset()

    def step(self, action: np.ndarray):
        step = self.task.step(np.asarray(action)[None])
        return (
            self._observation(),
            float(step.reward[0]),
            bool(step.terminated[0]),
            bool(step.truncated[0]),
            {},
        )

    def _observation(self) -> dict[str, np.ndarray]:
        return as_dict(self.task, self.task.observe()[0])


class MocapTrackingEnv(TaskEnv):
    """`MocapTracking-v0`: track reference motion.

    Args:
        motion: a trajectory file in dm_control's format; None for the built-in motions.
        snippets: names of clips or snippets in it; None for all clips.
        **task: keyword arguments of `TrackingTask` (observables, ref_steps, min_steps, ...).

    `reset(options={"snippet": index, "step": step})` begins at a chosen frame; either is 0 when left out.
    """

    def __init__(
        self, motion: str | os.PathLike | None = None, snippets: Sequence[str] | None = None, **task: Any
    ):
        super().__init__(_tracking(1, motion, snippets, **task))

    def begin(self, options: dict[str, Any]) -> None:
        assert isinstance(self.task, TrackingTask)
        if "snippet" not in options and "step" not in options:
            return self.task.reset()
        snippet, step = options.get("snippet", 0), options.get("step", 0)
        n_steps = self.task.last_steps
        if not (0 <= snippet < len(n_steps) and 0 <= step < n_steps[snippet]):
            raise InputError(
                f"There is no step {step} of snippet {snippet} to begin at. There are {len(n_steps)} snippets, "
                f"with steps from 0 to {', '.join(str(n - 1) for n in n_steps[:10])}; both count from 0."
            )
        self.task.start(np.array([0]), np.array([snippet]), np.array([step]))


def _load_snippets(
    motion: str | os.PathLike | None, names: Sequence[str] | None
) -> tuple[list[Snippet], Mapping[str, Any]]:
    lengths = dict(BUILTIN) if motion is None else clip_lengths(Path(motion))
    wanted = list(lengths) if names is None else list(names)
    chosen = [Snippet(name, 0, lengths[name]) if name in lengths else parse_snippet(name) for name in wanted]
    for snippet in chosen:
        if snippet.end > lengths.get(snippet.clip, snippet.end):
            raise InputError(
                f"Snippet {snippet} ends after its clip, which has {lengths[snippet.clip]} steps. Name an end "
                "within it, or the clip alone for all of it."
            )
    clips = sorted({snippet.clip for snippet in chosen})
    if motion is None:
        return chosen, {clip: builtin_trajectory(clip) for clip in clips}
    return chosen, {clip: read_trajectory(Path(motion), clip) for clip in clips}


def tracking_worlds(
    num_envs: int = 1,
    motion: str | os.PathLike | None = None,
    snippets: Sequence[str] | None = None,
    **task: Any,
) -> VectorWorlds:
    """`MocapTracking-v0` in many worlds, see `MocapTrackingEnv`."""
    return VectorWorlds(TaskVecEnv(_tracking(num_envs, motion, snippets, **task)))


def _tracking(
    n_worlds: int, motion: str | os.PathLike | None, snippets: Sequence[str] | None, **task: Any
) -> TrackingTask:
    references = References.of_snippets(*_load_snippets(motion, snippets))
    return TrackingTask(references, n_worlds, **{"observables": TIME_INDEX, **task})


gymnasium.register("MocapTracking-v0", entry_point=MocapTrackingEnv, vector_entry_point=tracking_worlds)
for _id, _task in (("GoToTarget-v0", "go_to_target"), ("VelocityControl-v0", "velocity_control")):
    gymnasium.register(
        _id,
        # Looked up when one is made: a low-level policy, their option, belongs to a floor above this one.
        entry_point="mocapact_core.transfer.gym:make",
        vector_entry_point="mocapact_core.transfer.gym:make_vector",
        kwargs={"task": _task},
    )
