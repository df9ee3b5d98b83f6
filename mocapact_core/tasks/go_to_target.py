"""Go-to-target: stand within a metre of a target, which then jumps elsewhere.

Source: dm_control's `GoToTarget(moving_target=True)`, MoCapAct section 5.1.2. Parity is tested. One error is
put right, unless it is asked for: dm_control's count of steps at the target lives on into the next episode, whose
first target may then jump at once. (Its ground also includes the target, by a number that means another thing; on
this floor that number is the floor's.)
"""

from collections.abc import Sequence

import numpy as np

from mocapact_core.humanoid.model import FLOOR_SIZE
from mocapact_core.humanoid.observables import PROPRIOCEPTION
from mocapact_core.humanoid.physics import State
from mocapact_core.tasks.standing import SENSES, StandingTask

EPISODE_STEPS = 833  # 25 s
TOLERANCE = 1.0  # metres
STEPS_AT_TARGET = 10  # rewarded steps before the target jumps

OBSERVED = (*SENSES, "target")
"""What the published task shows: 227 numbers."""


def target_reward(root_position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n,) 1 where the root (n, 3) is horizontally closer than a metre to the target (n, 2), else 0."""
    distance = np.linalg.norm(target - root_position[:, :2], axis=1)
    return (distance < TOLERANCE).astype(float)


class GoToTargetTask(StandingTask):
    """N worlds of go-to-target. Humanoid and targets appear anywhere in the middle 8 m by 8 m.

    Args:
        keeps_count: steps at a target count on in the next episode, as in dm_control and in the published results.
            Then an episode hangs on the one before it in its world, not on its seed alone.
    """

    OBSERVABLES = (*PROPRIOCEPTION, "target")
    COUNTERS = ("step_in_episode", "target", "steps_at_target")

    def __init__(
        self,
        n_worlds: int,
        observables: Sequence[str] = OBSERVED,
        steps: int = EPISODE_STEPS,
        pose: np.ndarray | None = None,
        n_threads: int = 1,
        seed: int = 0,
        keeps_count: bool = False,
    ):
        super().__init__(n_worlds, observables, steps, pose, n_threads, seed)
        self.keeps_count = keeps_count
        self.target = np.zeros((n_worlds, 2))
        """(n_worlds, 2) metres, on the floor."""
        self.steps_at_target = np.zeros(n_worlds, int)
        """(n_worlds,) rewarded steps since the target jumped."""
        self.reset()

    @property
    def goals(self) -> np.ndarray:
        """(n_worlds, 2) `target`, metres."""
        return self.target

    def begin(self, worlds: np.ndarray) -> np.ndarray:
        if not self.keeps_count:
            self.steps_at_target[worlds] = 0
        self.target[worlds] = self.draw_places(worlds)
        return self.draw_places(worlds)

    def move_goals(self, worlds: np.ndarray) -> None:
        reached = worlds[self.steps_at_target[worlds] >= STEPS_AT_TARGET]
        self.target[reached] = self.draw_places(reached)
        self.steps_at_target[reached] = 0

    def reward(self, state: State) -> np.ndarray:
        reward = target_reward(state.root_position, self.target[state.worlds])
        self.steps_at_target[state.worlds] += reward > 0
        return reward

    def observable(self, name: str, state: State) -> np.ndarray:
        """`target`: (n, 3) vector from the root to the target on the floor, in the root's frame, metres."""
        if name == "target":
            vector = np.pad(self.target[state.worlds], ((0, 0), (0, 1))) - state.root_position
            return np.einsum("ni,nij->nj", vector, state.root_rotation)
        return super().observable(name, state)

    def draw_places(self, worlds: np.ndarray) -> np.ndarray:
        """(n, 2) random places on the floor, metres."""
        half = np.array(FLOOR_SIZE) / 2
        return np.array([self.random[world].uniform(-half, half) for world in worlds]).reshape(-1, 2)
