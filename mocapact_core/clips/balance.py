"""Moving so that the floor can carry it: where the centre of mass goes over a planned centre of pressure."""

import copy

import mujoco
import numpy as np

from mocapact_core.clips.trajectory import DT, Trajectory
from mocapact_core.humanoid.model import load_model
from mocapact_core.humanoid.rotations import rotate

GRAVITY = 9.81  # metres a second squared
CENTER_HEIGHT = 1.14  # metres from the floor to the standing humanoid's centre of mass


def carried_center(pressure: np.ndarray) -> np.ndarray:
    """The centre of mass (T, 2) over a centre of pressure (T, 2), frames 0.03 s apart, metres.

    An inverted pendulum of constant height h: pressure = center - h / g * acceleration. Of its solutions the
    one that neither starts nor ends by falling: it is over the pressure at both ends.
    """
    n_frames = len(pressure)
    stiffness = CENTER_HEIGHT / GRAVITY / DT**2
    pendulum = np.eye(n_frames)
    for t in range(1, n_frames - 1):
        pendulum[t, t - 1 : t + 2] += [-stiffness, 2 * stiffness, -stiffness]
    return np.linalg.solve(pendulum, pressure)


def center_of_pressure(trajectory: Trajectory) -> np.ndarray:
    """(T, 2) where on the floor a motion needs the floor's force to act, by inverse dynamics, metres."""
    model = model_without_floor()
    data = mujoco.MjData(model)
    qpos, qvel = trajectory.qpos(), trajectory.qvel()
    qacc = np.gradient(qvel, trajectory.dt, axis=0)
    wrench = np.empty((len(qpos), 6))
    for t in range(len(qpos)):
        data.qpos, data.qvel, data.qacc = qpos[t], qvel[t], qacc[t]
        mujoco.mj_inverse(model, data)
        wrench[t] = data.qfrc_inverse[:6]
    force = wrench[:, :3]
    # A free joint's torque is about the root, in its turning frame; we want it about the world's origin.
    torque = rotate(trajectory.quaternion, wrench[:, 3:]) + np.cross(trajectory.position, force)
    return np.stack([-torque[:, 1], torque[:, 0]], axis=1) / force[:, 2:]


def model_without_floor() -> mujoco.MjModel:
    """The model without contacts and joint limits: their forces would hide in the inverse dynamics."""
    model = copy.copy(load_model())
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_LIMIT)
    return model
