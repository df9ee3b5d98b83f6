"""What the critic of a training sees beyond the expert (asymmetric actor-critic, Pinto et al., 2017).

An expert knows the time and its own body, and must know the reference by heart. The critic only serves the training, so
it may look at the reference: how far the humanoid is from it says nearly all about what reward is still to come.
"""

import numpy as np

from mocapact_core.humanoid.model import layout
from mocapact_core.humanoid.physics import State
from mocapact_core.humanoid.rotations import quat_difference
from mocapact_core.tasks.tracking import TrackingTask

CRITIC = ("tracking_errors", "phase")
HARMONICS = (1, 2, 4, 8)  # of the sines and cosines of the time in the clip


class CriticTask(TrackingTask):
    """The tracking task with what the critic sees, after what the expert does."""

    OBSERVABLES = (*TrackingTask.OBSERVABLES, *CRITIC)

    def observable(self, name: str, state: State) -> np.ndarray:
        if name == "tracking_errors":
            return self.tracking_errors(state)
        if name == "phase":
            time = super().observable("time_in_clip", state)
            return np.concatenate(
                [f(2 * np.pi * k * time) for k in HARMONICS for f in (np.sin, np.cos)], axis=1
            )
        return super().observable(name, state)

    def tracking_errors(self, state: State) -> np.ndarray:
        """(n, 217) reference minus state, in the root's frame: joint angles and velocities, bodies one step ahead, centre
        of mass, velocities of the root, and its rotation (the vector of a quaternion)."""
        rows = self._rows(state.worlds)
        now, ahead = self.references.at(rows), self.references.at(rows + 1)
        qvel = self.references.qvel[rows]
        parts = (
            now.joints - state.joints,
            qvel[:, layout().joint_qvel] - state.joint_velocities,
            ((ahead.body_positions - state.body_positions) @ state.root_rotation).reshape(state.n, -1),
            _inward(now.center_of_mass - state.center_of_mass, state),
            _inward(qvel[:, :3] - state.qvel[:, :3], state),
            qvel[:, 3:6] - state.qvel[:, 3:6],
            quat_difference(state.qpos[:, 3:7], now.quaternion)[:, 1:],
        )
        return np.concatenate(parts, axis=1)


def _inward(vectors: np.ndarray, state: State) -> np.ndarray:
    """World vectors (n, 3) in the root's frame."""
    return (vectors[:, None] @ state.root_rotation)[:, 0]
