"""What the humanoid senses of itself: the proprioceptive observables of dm_control, for arrays of worlds.

Each observable is a function of a `State` of n worlds and returns (n, size). Names are dm_control's
without the prefix `walker/`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import CONTROL_STEP, layout
from mocapact_core.humanoid.physics import State
from mocapact_core.humanoid.rotations import quat_difference, quat_to_axis_angle, quat_to_matrix

Observable = Callable[[State], np.ndarray]

PREFIX = "walker/"
"""What dm_control, and so every published file, puts before the name of an observable."""

TOUCH_THRESHOLD = 1e-3  # newtons
TORQUE_SCALE = 60.0  # newton metres


def actuator_activation(state: State) -> np.ndarray:
    return state.act


def appendages_pos(state: State) -> np.ndarray:
    return state.appendages.reshape(state.n, -1)


def body_height(state: State) -> np.ndarray:
    return state.root_position[:, 2:]


def head_height(state: State) -> np.ndarray:
    return state.xpos[:, layout().appendages[-1], 2:]


def joints_pos(state: State) -> np.ndarray:
    return state.joints[:, layout().reference_to_actuator]


def joints_vel(state: State) -> np.ndarray:
    return state.joint_velocities[:, layout().reference_to_actuator]


def joints_vel_control(state: State) -> np.ndarray:
    change = state.joints - state.previous_joints
    return change[:, layout().reference_to_actuator] / CONTROL_STEP


def orientation(state: State) -> np.ndarray:
    return state.root_rotation.reshape(state.n, 9)


def position(state: State) -> np.ndarray:
    return state.root_position


def world_zaxis(state: State) -> np.ndarray:
    return state.root_rotation[:, 2]


def velocimeter_control(state: State) -> np.ndarray:
    """Velocity over the last control step, in the root frame before it."""
    velocity = (state.qpos[:, :3] - state.previous_qpos[:, :3]) / CONTROL_STEP
    return np.einsum("ni,nij->nj", velocity, quat_to_matrix(state.previous_qpos[:, 3:7]))


def gyro_control(state: State) -> np.ndarray:
    """Angular velocity over the last control step, in the root frame before it."""
    turn = quat_difference(state.previous_qpos[:, 3:7], state.qpos[:, 3:7])
    return quat_to_axis_angle(turn / np.linalg.norm(turn, axis=-1, keepdims=True)) / CONTROL_STEP


def torso_velocity(state: State) -> np.ndarray:
    """(n, 3) velocity of the root's centre of mass, dm_control's subtree_linvel, in m/s.

    `cvel` is the spatial velocity of each body about the humanoid's centre of mass. Right after a reset it is
    0, because dm_control computes this one only while stepping.
    """
    bodies = slice(layout().root, None)
    angular, linear = state.cvel[:, bodies, :3], state.cvel[:, bodies, 3:]
    arm = state.xipos[:, bodies] - state.center_of_mass[:, None]
    mass = state.physics.model.body_mass[bodies]
    velocity = np.einsum("b,nbi->ni", mass / mass.sum(), linear + np.cross(angular, arm))
    return np.where(state.time[:, None] > 0, velocity, 0.0)


def _sensor(name: str, part: slice = slice(None)) -> Observable:
    return lambda state: state.sensordata[:, layout().sensors[name][part]]


PROPRIOCEPTION: dict[str, Observable] = {
    "actuator_activation": actuator_activation,
    "appendages_pos": appendages_pos,
    "body_height": body_height,
    "end_effectors_pos": _sensor("end_effectors"),
    "gyro_anticlockwise_spin": _sensor("gyro", slice(2, 3)),
    "gyro_backward_roll": _sensor("gyro", slice(0, 1)),
    "gyro_control": gyro_control,
    "gyro_rightward_roll": _sensor("gyro", slice(1, 2)),
    "head_height": head_height,
    "joints_pos": joints_pos,
    "joints_vel": joints_vel,
    "joints_vel_control": joints_vel_control,
    "orientation": orientation,
    "position": position,
    "sensors_accelerometer": _sensor("accelerometer"),
    "sensors_gyro": _sensor("gyro"),
    "sensors_torque": lambda state: np.tanh(2 / TORQUE_SCALE * _sensor("torque")(state)),
    "sensors_touch": lambda state: _sensor("touch")(state) > TOUCH_THRESHOLD,
    "sensors_velocimeter": _sensor("velocimeter"),
    "torso_xvel": lambda state: torso_velocity(state)[:, :1],
    "torso_yvel": lambda state: torso_velocity(state)[:, 1:2],
    "veloc_forward": _sensor("velocimeter", slice(0, 1)),
    "veloc_strafe": _sensor("velocimeter", slice(1, 2)),
    "veloc_up": _sensor("velocimeter", slice(2, 3)),
    "velocimeter_control": velocimeter_control,
    "world_zaxis": world_zaxis,
}
"""The 26 observables that need nothing but the humanoid. Reference observables belong to the tracking task."""

BASE = (
    "joints_pos",
    "joints_vel",
    "sensors_velocimeter",
    "sensors_gyro",
    "end_effectors_pos",
    "world_zaxis",
    "actuator_activation",
    "sensors_touch",
    "sensors_torque",
)
"""What low-level policies see, in their feature order: 205 numbers (paper, appendix B)."""

TIME_INDEX = (*BASE, "time_in_clip")
"""What an expert sees: 206 numbers."""

HIGH_LEVEL_SANS_REFERENCE = (*BASE, "body_height")
"""What the GPT sees: 206 numbers."""

HIGH_LEVEL = (*HIGH_LEVEL_SANS_REFERENCE, "reference_rel_bodies_pos_local", "reference_rel_bodies_quats")
"""What the encoder of a multi-clip policy sees: 1291 numbers with 5 reference steps."""


def side_by_side(
    observation: np.ndarray | Mapping[str, np.ndarray], observables: Sequence[str]
) -> np.ndarray:
    """The observables of n worlds in one array, (n, size of all).

    Args:
        observation: a dict of arrays (n, size) by observable, with the prefix `walker/`; or that one array already.

    Raises:
        InputError: an observable is missing.
    """
    if not isinstance(observation, Mapping):
        return observation
    if missing := [name for name in observables if PREFIX + name not in observation]:
        raise InputError(
            f"The observation lacks {PREFIX}{missing[0]}. What is seen is {', '.join(observables)}, each with the "
            f"prefix {PREFIX}."
        )
    return np.concatenate([observation[PREFIX + name] for name in observables], axis=-1)
