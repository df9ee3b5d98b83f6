"""From the root and joint angles over time to everything a trajectory holds."""

import mujoco
import numpy as np

from mocapact_core.clips.trajectory import DT, Trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import END_EFFECTORS, N_JOINTS, layout, load_model
from mocapact_core.humanoid.rotations import quat_difference, quat_to_axis_angle

TOLERANCE = 1e-2  # tracking error of the reference itself, at which dm_control's task refuses it


def trajectory_from_motion(
    name: str, position: np.ndarray, quaternion: np.ndarray, joints: np.ndarray
) -> Trajectory:
    """Complete a motion: velocities by central differences (one-sided at the ends), the rest by kinematics.

    Args:
        name: of the clip.
        position: (T, 3) of the root in the world, metres, a frame every 0.03 s.
        quaternion: (T, 4) of the root, w first, of any length but zero.
        joints: (T, 56) radians, in reference order.

    Raises:
        InputError: less than two frames, shapes that do not fit together, or values that are not numbers.
    """
    position, joints = np.array(position, dtype=np.float64), np.array(joints, dtype=np.float64)
    quaternion = np.array(quaternion, dtype=np.float64)
    n_frames = len(position)
    shapes = (position.shape, quaternion.shape, joints.shape)
    if n_frames < 2 or shapes != ((n_frames, 3), (n_frames, 4), (n_frames, N_JOINTS)):
        raise InputError(
            f"The motion {name} has position, quaternion and joints of shapes {shapes}, but (T, 3), (T, 4) "
            f"and (T, {N_JOINTS}) are expected, with at least 2 frames."
        )
    if not all(np.isfinite(array).all() for array in (position, quaternion, joints)):
        raise InputError(f"The motion {name} has values that are not numbers. Repair them before the import.")
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    return Trajectory(
        name=name,
        dt=DT,
        position=position,
        quaternion=quaternion,
        joints=joints,
        velocity=np.gradient(position, DT, axis=0),
        angular_velocity=angular_velocity(quaternion),
        joints_velocity=np.gradient(joints, DT, axis=0),
        **body_kinematics(position, quaternion, joints),
    )


def angular_velocity(quaternion: np.ndarray) -> np.ndarray:
    """(T, 4) to (T, 3) in the turning frame, radians a second: from the frame before to the one after."""
    frames = np.arange(len(quaternion))
    before, after = np.maximum(frames - 1, 0), np.minimum(frames + 1, frames[-1])
    turn = quat_to_axis_angle(quat_difference(quaternion[before], quaternion[after]))
    return turn / (DT * (after - before))[:, None]


def body_kinematics(
    position: np.ndarray, quaternion: np.ndarray, joints: np.ndarray
) -> dict[str, np.ndarray]:
    """Where the bodies are: center_of_mass, end_effectors, appendages, body_positions, body_quaternions.

    Arguments and results are shaped as in `Trajectory`.
    """
    model, parts = load_model(), layout()
    data = mujoco.MjData(model)
    n_frames = len(position)
    body_positions = np.empty((n_frames, model.nbody, 3))
    body_quaternions = np.empty((n_frames, model.nbody, 4))
    center_of_mass = np.empty((n_frames, 3))
    appendages = np.empty((n_frames, len(parts.appendages), 3))
    for t in range(n_frames):
        data.qpos[:3], data.qpos[3:7], data.qpos[parts.joint_qpos] = position[t], quaternion[t], joints[t]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        body_positions[t], body_quaternions[t] = data.xpos, data.xquat
        center_of_mass[t] = data.subtree_com[parts.frame]
        relative = data.xpos[parts.appendages] - data.xpos[parts.root]
        appendages[t] = relative @ data.xmat[parts.root].reshape(3, 3)
    return {
        "center_of_mass": center_of_mass,
        "end_effectors": appendages[:, : len(END_EFFECTORS)].copy(),
        "appendages": appendages,
        "body_positions": body_positions[:, parts.bodies].copy(),
        "body_quaternions": body_quaternions[:, parts.bodies].copy(),
    }


def check_bodies(trajectory: Trajectory, origin: str) -> None:
    """Raise InputError when the bodies of a trajectory are not where the humanoid's would be.

    The attribute of a file may say the right model over motion of another one; dm_control finds that out
    in the middle of training, we while extracting.
    """
    bodies = body_kinematics(trajectory.position, trajectory.quaternion, trajectory.joints)["body_positions"]
    error = 0.5 * np.abs(bodies - trajectory.body_positions).mean(axis=(1, 2)).max()
    if error > TOLERANCE:
        raise InputError(
            f"Clip {trajectory.name} in {origin} is not motion of dm_control's CMU humanoid of 2020: its "
            f"bodies are not where its joint angles put them (tracking error {error:.2g}, the limit is "
            f"{TOLERANCE}). Export it for that model, or import the ASF/AMC original."
        )
