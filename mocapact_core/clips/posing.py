"""Whole-body poses from what the eye and the floor ask for: where the feet stand and where the weight is.

The world's axes are x forward, y left, z up; a foot has heading, height and pitch, and the legs follow by
inverse kinematics on the humanoid's own model.
"""

from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import JOINTS, N_JOINTS, layout, load_model
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_product, quat_to_axis_angle

SIDES = ("l", "r")
LEG = ("femurrz", "femurry", "femurrx", "tibiarx", "footrz", "footrx")  # six joints place and turn a foot
UPRIGHT = np.array([0.5, 0.5, 0.5, 0.5])  # turns the root's axes (x left, y up, z forward) to the world's
SINK = 0.0005  # metres the soles press into the soft floor under the body's weight
TOLERANCE = 1e-10  # metres and radians
MAX_ITERATIONS = 50
MAX_STEP = 0.5  # metres and radians of one iteration
BENT_LEG = [0.0, 0.0, -0.3, 0.6, 0.0, -0.3]  # radians: where the search starts


@dataclass(frozen=True)
class Sole:
    """The flat underside of one foot, in the frame of the foot's body."""

    axes: np.ndarray
    """(3, 3) columns: forward, left, up."""
    ankle_height: float
    """Metres from the floor to the ankle when the foot stands flat."""
    toes: float
    """Angle of the toe joint, radians, at which the toes lie in the plane of the sole."""


@dataclass(frozen=True)
class Plan:
    """What a motion asks for, frame by frame. Lengths in metres, angles in radians."""

    joints: dict[str, np.ndarray]
    """(T,) each, by name; joints that are not named are at 0, legs follow from the rest."""
    root_height: np.ndarray
    """(T,)"""
    root_turn: np.ndarray
    """(T, 3) of the root from upright and facing forward, axis times angle, world axes."""
    pressure: np.ndarray
    """(T, 2) the point of the floor that carries the body."""
    ankles: np.ndarray
    """(T, 2, 3) left and right: over the floor, and above the height of a standing foot."""
    heading: np.ndarray
    """(2,) of the left and right foot; positive turns left."""
    pitch: np.ndarray
    """(T, 2) of the feet; positive lowers the toes."""


def pose(plan: Plan, center_of_mass: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the plan for the legs and the root, frame after frame.

    Args:
        center_of_mass: (T, 2) over the floor, metres.

    Returns:
        position (T, 3) and quaternion (T, 4) of the root, and joints (T, 56) in reference order.

    Raises:
        InputError: a frame asks for what legs cannot reach.
    """
    model, parts = load_model(), layout()
    data = mujoco.MjData(model)
    n_frames = len(plan.root_height)
    joints = np.zeros((n_frames, N_JOINTS))
    for name, angles in plan.joints.items():
        joints[:, JOINTS.index(name)] = angles
    for side in SIDES:
        joints[:, JOINTS.index(f"{side}toesrx")] = sole(side).toes
    legs = np.array([JOINTS.index(side + name) for side in SIDES for name in LEG])
    guess = np.concatenate([center_of_mass[0], np.tile(BENT_LEG, 2)])

    quaternion = quat_product(axis_angle_to_quat(plan.root_turn), UPRIGHT)
    position = np.empty((n_frames, 3))
    for t in range(n_frames):
        data.qpos[3:7], data.qpos[parts.joint_qpos] = quaternion[t], joints[t]
        data.qpos[2] = plan.root_height[t]
        feet = [_foot_target(plan, t, i) for i in range(len(SIDES))]
        try:
            guess = _solve_legs(model, data, feet, center_of_mass[t], guess, legs)
        except ArithmeticError as error:
            raise InputError(
                f"Frame {t} of a planned motion cannot be posed: the legs do not reach ({error}). "
                "Lower the root, or bring feet and centre of mass closer together."
            ) from None
        position[t], joints[t, legs] = data.qpos[:3], guess[2:]
    return position, quaternion, joints


def _solve_legs(model, data, feet, center_of_mass, guess, legs) -> np.ndarray:
    """Newton's method from `guess`: (14,) root's place and twelve leg joints for 14 demands."""
    unknowns, parts = guess.copy(), layout()
    columns = np.concatenate([[0, 1], parts.joint_qvel[legs]])
    for _ in range(MAX_ITERATIONS):
        data.qpos[:2], data.qpos[parts.joint_qpos[legs]] = unknowns[:2], unknowns[2:]
        residual, jacobian = _mismatch(model, data, feet, center_of_mass)
        if np.abs(residual).max() < TOLERANCE:
            return unknowns
        step = np.linalg.solve(jacobian[:, columns], residual)
        unknowns += step * min(1.0, MAX_STEP / np.abs(step).max())
    raise ArithmeticError(f"off by {np.abs(residual).max():.2g} m")


def _mismatch(model, data, feet, center_of_mass) -> tuple[np.ndarray, np.ndarray]:
    """(14,) what is missing to the two foot poses and the centre of mass, and its (14, 62) Jacobian."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    residual, jacobian = np.empty(14), np.empty((14, model.nv))
    for i, (position, rotation) in enumerate(feet):
        foot = model.body(f"walker/{SIDES[i]}foot").id
        there, turn = slice(6 * i, 6 * i + 3), slice(6 * i + 3, 6 * i + 6)
        residual[there] = position - data.xpos[foot]
        residual[turn] = _rotation_between(data.xmat[foot].reshape(3, 3), rotation)
        mujoco.mj_jacBody(model, data, jacobian[there], jacobian[turn], foot)
    frame = layout().frame
    center_jacobian = np.empty((3, model.nv))
    mujoco.mj_jacSubtreeCom(model, data, center_jacobian, frame)
    residual[12:] = center_of_mass - data.subtree_com[frame, :2]
    jacobian[12:] = center_jacobian[:2]
    return residual, jacobian


def _foot_target(plan: Plan, t: int, i: int) -> tuple[np.ndarray, np.ndarray]:
    """World position and rotation matrix of the body of the left (0) or right (1) foot."""
    shape = sole(SIDES[i])
    c, s = np.cos(plan.heading[i]), np.sin(plan.heading[i])
    heading = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    c, s = np.cos(plan.pitch[t, i]), np.sin(plan.pitch[t, i])
    pitch = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    height = np.array([0.0, 0.0, shape.ankle_height - SINK])
    return plan.ankles[t, i] + height, heading @ pitch @ shape.axes.T


@cache
def sole(side: str) -> Sole:
    """The sole of the left ("l") or right ("r") foot, from the geoms that touch the floor."""
    model = load_model()
    points = {kind: np.array(_contact_centres(model, f"walker/{side}{kind}")) for kind in ("foot", "toes")}
    heels, balls = points["foot"][[1, 3]].mean(0), points["foot"][[0, 2]].mean(0)
    if heels[1] < balls[1]:  # the foot's y axis points backward
        heels, balls = balls, heels
    forward = (balls - heels) / np.linalg.norm(balls - heels)
    left = np.array([1.0, 0.0, 0.0])
    up = np.cross(forward, left)
    toes_body = model.body(f"walker/{side}toes")
    lever, radius = points["toes"].mean(0), model.geom(f"walker/{side}toes0").size[0]
    # The toe joint turns about x: turn the lever until it is as far below the joint as the sole is.
    below = up @ (heels - toes_body.pos)
    angle = np.arcsin(below / np.linalg.norm(lever)) - np.arctan2(up @ lever, forward @ lever)
    return Sole(np.stack([forward, left, up], axis=1), radius - up @ heels, -angle)


def _contact_centres(model: mujoco.MjModel, body: str) -> list[np.ndarray]:
    """Centres of the end spheres of a body's capsules, and of its spheres, in the frame of the body."""
    centres = []
    for geom in np.flatnonzero(model.geom_bodyid == model.body(body).id):
        axis = np.empty(9)
        mujoco.mju_quat2Mat(axis, model.geom_quat[geom])
        reach = model.geom_size[geom, 1] * axis.reshape(3, 3)[:, 2]
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            centres += [model.geom_pos[geom] - reach, model.geom_pos[geom] + reach]
        else:
            centres.append(model.geom_pos[geom])
    return centres


def _rotation_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,) the world-frame turn from one rotation matrix to another, axis times angle."""
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, (target @ source.T).ravel())
    return quat_to_axis_angle(quat)
