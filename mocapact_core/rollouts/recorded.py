"""What recorded observations tell of the state that the simulation was in."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import layout as humanoid
from mocapact_core.humanoid.model import load_model
from mocapact_core.humanoid.physics import State
from mocapact_core.tasks.references import References

POSE = ("position", "orientation", "joints_pos")
"""The observables that hold qpos, but for the sign of the root's quaternion."""
MOTION = ("sensors_velocimeter", "sensors_gyro", "joints_vel")
"""The observables that hold qvel."""
SAME_POSE = 1e-3  # metres and radians; episodes begin at the reference's pose, recorded in 32 bits
OTHER_CLIP = "Give the motion that these rollouts were collected on."

Columns = Mapping[str, np.ndarray]
"""The columns of each recorded observable, by its name without `walker/` (`layout.observable_columns`)."""


def check_recorded(columns: Columns, observables: Sequence[str], purpose: str) -> None:
    """Raises: InputError: some of the observables were not recorded."""
    missing = [name for name in observables if name not in columns]
    if missing:
        raise InputError(
            f"The rollouts do not hold {', '.join(missing)}, which {purpose} needs. Collect them with "
            f"these among rollouts.observables."
        )


def start_step(observations: np.ndarray, columns: Columns, n_steps: int) -> int:
    """The step of a snippet of `n_steps` at which an episode began."""
    return round(float(observations[0, columns["time_in_clip"]][0]) * n_steps)


def recorded_qpos(observations: np.ndarray, columns: Columns, quaternion: np.ndarray) -> np.ndarray:
    """(n, 63) positions in MuJoCo's order, at n successive observations (n, D) of one episode.

    A rotation matrix does not tell the sign of its quaternion, on which observables depend. Between two
    observations the root never turns as far as the sign could change unseen, so it is carried along.

    Args:
        quaternion: (4,) of the root, w first, for the sign at the first observation. Episodes begin with the
            reference's; where only the motion matters, any will do.
    """
    parts = humanoid()
    matrices = observations[:, columns["orientation"]].reshape(-1, 3, 3)
    quaternions = Rotation.from_matrix(matrices).as_quat(scalar_first=True)
    before = np.concatenate([quaternion[None], quaternions[:-1]])
    turns = np.where(np.einsum("ni,ni->n", before, quaternions) < 0, -1.0, 1.0)
    qpos = np.empty((len(observations), load_model().nq))
    qpos[:, :3] = observations[:, columns["position"]]
    qpos[:, 3:7] = quaternions * np.cumprod(turns)[:, None]
    qpos[:, parts.joint_qpos[parts.reference_to_actuator]] = observations[:, columns["joints_pos"]]
    return qpos


def recorded_qvel(observations: np.ndarray, columns: Columns) -> np.ndarray:
    """(n, 62) velocities in MuJoCo's order.

    Velocimeter and gyro sit at the origin of the root and turn with it. A free joint's linear velocity is that
    of the same point in the world, its angular velocity is the gyro's.
    """
    parts = humanoid()
    matrices = observations[:, columns["orientation"]].reshape(-1, 3, 3).astype(np.float64)
    qvel = np.empty((len(observations), load_model().nv))
    qvel[:, :3] = np.einsum("nij,nj->ni", matrices, observations[:, columns["sensors_velocimeter"]])
    qvel[:, 3:6] = observations[:, columns["sensors_gyro"]]
    qvel[:, parts.joint_qvel[parts.reference_to_actuator]] = observations[:, columns["joints_vel"]]
    return qvel


def start_on(references: References, observations: np.ndarray, columns: Columns) -> int:
    """The step of the only snippet in `references` at which an episode began.

    Raises: InputError: it did not begin in the pose that the reference has there: it was on another motion.
    """
    step = start_step(observations, columns, len(references.qpos) - 1)
    if not 0 <= step < len(references.qpos):
        raise InputError(f"An episode begins at step {step} of a snippet that has none such. {OTHER_CLIP}")
    expected = references.qpos[step]
    off = np.abs(recorded_qpos(observations[:1], columns, expected[3:7])[0] - expected).max()
    if off > SAME_POSE:
        raise InputError(
            f"An episode does not begin at step {step} of this motion: they differ by {off:.2g}. {OTHER_CLIP}"
        )
    return step


class Poses(State):
    """Where the bodies are at n poses: a `State` that knows what follows from qpos alone."""

    def __init__(self, qpos: np.ndarray):
        """Args: qpos: (n, 63) in MuJoCo's order."""
        model = load_model()
        data = mujoco.MjData(model)
        self.qpos = qpos
        self.xpos = np.empty((len(qpos), model.nbody, 3))
        self.xquat = np.empty((len(qpos), model.nbody, 4))
        self.xmat = np.empty((len(qpos), model.nbody, 9))
        for i, pose in enumerate(qpos):
            data.qpos[:] = pose
            mujoco.mj_kinematics(model, data)
            self.xpos[i], self.xquat[i], self.xmat[i] = data.xpos, data.xquat, data.xmat
