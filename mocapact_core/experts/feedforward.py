"""The actions that inverse dynamics asks for along a clip: where the training of an expert starts.

A position target is a poor guess of an action: gravity, joint springs and the filter of the actuators shift
what is needed by 0.3 on average. Here the motion is differentiated, MuJoCo says which generalised forces it
takes, the floor gives what it can through the points of the body near it, and actuators give the rest.
"""

import mujoco
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls

from mocapact_core.clips.balance import model_without_floor
from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.humanoid.model import layout

FRICTION = 0.8  # of the feet, a little less than the model's 1
NEAR = 0.06  # metres: points of the body up to this height may be pressed to the floor
HEIGHT_SCALE = 0.01  # metres over the floor at which a contact costs twice as much
SMOOTHING = 1.0  # frames, standard deviation of the Gaussian filter on velocities and activations
ROOT_WEIGHTS = np.array([1.0, 1.0, 1.0, 3.0, 3.0, 3.0])  # a newton metre at the root counts as three newtons
FORCE_COST = 1e-3  # weight of contact forces against the force that nothing gives at the root
EDGES = np.array([[FRICTION, 0, 1], [-FRICTION, 0, 1], [0, FRICTION, 1], [0, -FRICTION, 1]])
"""The edges of the friction pyramid."""


def feedforward(trajectory: Trajectory) -> np.ndarray:
    """(T, 56) actions in actuator order, in [-1, 1]: row t is for the control step from frame t to t + 1."""
    model, activations = model_without_floor(), []
    data = mujoco.MjData(model)
    points = SupportPoints(model)
    qpos = trajectory.qpos()
    qvel = gaussian_filter1d(trajectory.qvel(), SMOOTHING, axis=0, mode="nearest")
    qacc = np.gradient(qvel, trajectory.dt, axis=0)
    for frame in zip(qpos, qvel, qacc, strict=True):
        data.qpos, data.qvel, data.qacc = frame
        mujoco.mj_inverse(model, data)
        forces = data.qfrc_inverse - contact_forces(model, data, points)
        activations.append(_activation(model, data.qpos, forces))
    return np.clip(_lead(gaussian_filter1d(activations, SMOOTHING, axis=0, mode="nearest")), -1, 1)


def contact_forces(model: mujoco.MjModel, data: mujoco.MjData, points: "SupportPoints") -> np.ndarray:
    """(62,) generalised forces of the floor that leave the least of `qfrc_inverse` to the root.

    The free joint has no actuator, so the floor must give what the motion asks for there. Forces lie in the
    friction pyramid; small ones are preferred, and points that touch over points above the floor.
    """
    jacobians, heights = points.near_floor(model, data)
    if not len(heights):
        return np.zeros(model.nv)
    columns = np.concatenate([jacobian.T @ EDGES.T for jacobian in jacobians], axis=1)
    cost = FORCE_COST * (1 + (np.maximum(heights, 0) / HEIGHT_SCALE) ** 2).repeat(len(EDGES))
    system = np.concatenate([ROOT_WEIGHTS[:, None] * columns[:6], np.diag(cost)])
    target = np.concatenate([ROOT_WEIGHTS * data.qfrc_inverse[:6], np.zeros(len(cost))])
    return columns @ nnls(system, target)[0]


class SupportPoints:
    """The spheres that can stand on the floor: sphere geoms, ends of capsules, and the (ellipsoid) hands."""

    def __init__(self, model: mujoco.MjModel):
        parts = layout()
        self.geoms, ends = [], []
        for geom in np.concatenate([parts.feet, parts.others]):
            capsule = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE
            ends += [-model.geom_size[geom, 1], model.geom_size[geom, 1]] if capsule else [0.0]
            self.geoms += [geom] * (2 if capsule else 1)
        self.ends = np.array(ends)
        self.radii = model.geom_size[self.geoms, 0]

    def near_floor(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray]:
        """Jacobians (n, 3, 62) and heights (n,) of the lowest point of each sphere that is near the floor."""
        axes = data.geom_xmat[self.geoms].reshape(-1, 3, 3)[:, :, 2]
        lowest = data.geom_xpos[self.geoms] + self.ends[:, None] * axes
        lowest[:, 2] -= self.radii
        near = np.flatnonzero(lowest[:, 2] < NEAR)
        jacobians = np.empty((len(near), 3, model.nv))
        for jacobian, point in zip(jacobians, near, strict=True):
            mujoco.mj_jac(model, data, jacobian, None, lowest[point], model.geom_bodyid[self.geoms[point]])
        return jacobians, lowest[near, 2]


def _activation(model: mujoco.MjModel, qpos: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """(56,) the activations at which the actuators give the joints their share of generalised `forces`.

    A position actuator's force is gain * activation + bias0 + bias1 * angle.
    """
    joints = model.actuator_trnid[:, 0]
    angles, torques = qpos[model.jnt_qposadr[joints]], forces[model.jnt_dofadr[joints]]
    bias = model.actuator_biasprm[:, 0] + model.actuator_biasprm[:, 1] * angles
    return (torques - bias) / model.actuator_gainprm[:, 0]


def _lead(activations: np.ndarray) -> np.ndarray:
    """Actions whose filtered course passes through the activations in the middle of each control step.

    The filter's time constant is the control step itself: action = middle + slope * 0.03 s.
    """
    after = np.concatenate([activations[1:], activations[-1:]])
    return (activations + after) / 2 + (after - activations)
