"""Tasks that begin in a stand and end in a fall: what go-to-target and velocity control share."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.humanoid.observables import BASE
from mocapact_core.humanoid.physics import State
from mocapact_core.seeds import generator_at, random_state
from mocapact_core.tasks.contact import nonfoot_contact
from mocapact_core.tasks.task import ALL, Step, Task, Worlds

SENSES = (*BASE, "appendages_pos", "body_height", "sensors_accelerometer")
"""What dm_control's locomotion tasks show of the humanoid itself: 224 numbers."""


@cache
def stand_pose(clip: Path | None = None) -> np.ndarray:
    """(63,) qpos of the humanoid at the origin in the first frame of a clip, which is to be a stand.

    The published tasks stand as CMU_040_12 begins, which needs the CMU data.

    Args:
        clip: its file, results/clips/<clip>.h5; None: the project's built-in stand.

    Raises:
        InputError: the file is missing or damaged.
    """
    trajectory = builtin_trajectory("stand") if clip is None else read_trajectory(clip, clip.stem)
    pose = trajectory.qpos()[0].copy()
    pose[:2] = 0
    return pose


class StandingTask(Task):
    """N worlds of a task that begins in a stand, lasts `steps` at most, and fails at a fall.

    A fall is contact of anything but the feet with the floor (paper, appendix B.3.2). All that is random
    in an episode hangs on the episode's seed alone: not on the other worlds, nor on their number.

    Args:
        steps: length of an episode in control steps of 0.03 s.
        pose: (63,) qpos to begin in; `stand_pose()` when not given.
    """

    def __init__(
        self,
        n_worlds: int,
        observables: Sequence[str],
        steps: int,
        pose: np.ndarray | None = None,
        n_threads: int = 1,
        seed: int = 0,
    ):
        super().__init__(n_worlds, observables, n_threads, seed)
        self.steps = steps
        self.pose = stand_pose() if pose is None else np.asarray(pose, float)
        self.step_in_episode = np.zeros(n_worlds, int)
        self.random = [np.random.default_rng(seed)] * n_worlds
        """The source of randomness of each world's episode."""

    def reset(self, worlds: Worlds = ALL) -> None:
        worlds = np.arange(self.n_worlds)[worlds]
        self.start(worlds, self.rng.integers(2**63, size=len(worlds)))

    def start(self, worlds: Worlds, seeds: Sequence[int] | np.ndarray) -> None:
        """Begin in some worlds the episodes that belong to the `seeds` (n,)."""
        worlds = np.arange(self.n_worlds)[worlds]
        for world, seed in zip(worlds, seeds, strict=True):
            self.random[world] = np.random.default_rng(seed)
        self.step_in_episode[worlds] = 0
        qpos = np.tile(self.pose, (len(worlds), 1))
        qpos[:, :2] += self.begin(worlds)
        self.physics.place(worlds, qpos, np.zeros((len(worlds), self.physics.model.nv)))

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "episodes": [random_state(random) for random in self.random]}

    def restore(self, snapshot: dict[str, Any]) -> None:
        super().restore(snapshot)
        self.random = [generator_at(state) for state in snapshot["episodes"]]

    def after_step(self, state: State) -> Step:
        worlds = np.arange(self.n_worlds)[state.worlds]
        self.step_in_episode[worlds] += 1
        self.move_goals(worlds)
        terminated = nonfoot_contact(state)
        finished = self.step_in_episode[worlds] >= self.steps
        return Step(self.reward(state), terminated, finished & ~terminated)

    @property
    @abstractmethod
    def goals(self) -> np.ndarray:
        """(n_worlds, 2) what is asked for now, in numbers that the task tells the meaning of."""

    @abstractmethod
    def begin(self, worlds: np.ndarray) -> np.ndarray:
        """Draw the first goals of new episodes; return (n, 2) where the humanoids stand, metres."""

    @abstractmethod
    def move_goals(self, worlds: np.ndarray) -> None:
        """Draw new goals where it is time, after the step and before its reward."""

    @abstractmethod
    def reward(self, state: State) -> np.ndarray:
        """(n,) reward of the step just made."""
