"""Feedback of the centre of mass: the legs push it back to where it should be over the feet that stand.

A humanoid that only holds its joints falls like an inverted pendulum, however well it holds them. Here a horizontal
force is asked for, in proportion to the error of the centre of mass and of its velocity, and leg joints give the
torques that do the same work as the force in all motions that leave the standing feet where they are (virtual model
control, Pratt et al., 2001).
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.linalg import null_space

from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.humanoid.model import JOINTS, layout, load_model
from mocapact_core.humanoid.observables import torso_velocity
from mocapact_core.humanoid.physics import State

STIFFNESS = 40.0  # newtons a metre and kilogram; an inverted pendulum of this height falls at 9
DAMPING = 10.0  # newtons a metre per second and kilogram
CLEARANCE = 0.02  # metres over its lowest place in the clip, at which a foot no longer stands
NEGLIGIBLE = 1e-3  # of the largest, singular values of motions that hardly move a leg
FEET = ("lfoot", "rfoot")
LEG = ("femurrz", "femurry", "femurrx", "tibiarx", "footrz", "footrx")


@dataclass(frozen=True)
class Balance:
    """What keeps a motion on its feet, frame by frame."""

    actions_per_newton: np.ndarray
    """(T, 56, 2) actions in actuator order that push the centre of mass along x and y; 0 where no foot stands."""
    standing: np.ndarray
    """(T, 2) the share of the left and the right foot in the place of support."""
    center: np.ndarray
    """(T, 2) centre of mass relative to the place of support, metres."""
    velocity: np.ndarray
    """(T, 2) of the centre of mass, m/s."""

    def act(self, state: State, frames: np.ndarray) -> np.ndarray:
        """(n, 56) what to add to the actions of n states at these frames (n,)."""
        mass = load_model().body_subtreemass[layout().frame]
        center = relative_center(state.center_of_mass, state.xpos[:, feet()], self.standing[frames])
        error = self.center[frames] - center
        velocity_error = self.velocity[frames] - torso_velocity(state)[:, :2]
        force = mass * (STIFFNESS * error + DAMPING * velocity_error)
        return np.einsum("naf,nf->na", self.actions_per_newton[frames], force)


def balance(trajectory: Trajectory) -> Balance:
    """The feedback along a motion."""
    model = load_model()
    data = mujoco.MjData(model)
    qpos = trajectory.qpos()
    places = np.empty((len(qpos), len(FEET), 3))
    for t in range(len(qpos)):
        data.qpos = qpos[t]
        mujoco.mj_kinematics(model, data)
        places[t] = data.xpos[feet()]
    on_floor = places[..., 2] < places[..., 2].min() + CLEARANCE
    standing = on_floor / np.maximum(1, on_floor.sum(axis=1, keepdims=True))
    gains = np.zeros((len(qpos), model.nu, 2))
    for t in np.flatnonzero(on_floor.any(axis=1)).tolist():
        data.qpos = qpos[t]
        gains[t] = _actions_per_newton(model, data, feet()[on_floor[t]])
    return Balance(
        gains,
        standing,
        relative_center(trajectory.center_of_mass, places, standing),
        np.gradient(trajectory.center_of_mass[:, :2], trajectory.dt, axis=0),
    )


def relative_center(center: np.ndarray, places: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """(n, 2) horizontal place of centres of mass (n, 3) relative to feet (n, 2, 3) with shares (n, 2)."""
    return center[:, :2] - np.einsum("nf,nfx->nx", standing, places[..., :2])


def feet() -> np.ndarray:
    """(2,) bodies of the left and the right foot."""
    return np.array([load_model().body(f"walker/{foot}").id for foot in FEET])


def _actions_per_newton(model: mujoco.MjModel, data: mujoco.MjData, standing: np.ndarray) -> np.ndarray:
    """(56, 2) for the pose in `data.qpos` with these feet on the floor, which neither slide nor turn."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    legs = np.concatenate(
        [layout().joint_qvel[JOINTS.index(side + name)][None] for side in "lr" for name in LEG]
    )
    moving = np.concatenate([np.arange(6), legs])
    center = np.zeros((3, model.nv))
    mujoco.mj_jacSubtreeCom(model, data, center, layout().frame)
    held = np.zeros((len(standing), 2, 3, model.nv))
    for foot, (translation, rotation) in zip(standing, held, strict=True):
        mujoco.mj_jacBody(model, data, translation, rotation, foot)
    motions = null_space(held.reshape(-1, model.nv)[:, moving], rcond=1e-6)
    torques = np.zeros((model.nv, 2))
    work = (center[:2, moving] @ motions).T
    torques[legs] = np.linalg.pinv(motions[6:].T, rcond=NEGLIGIBLE) @ work
    actuated = model.jnt_dofadr[model.actuator_trnid[:, 0]]
    return torques[actuated] / model.actuator_gainprm[:, :1]
