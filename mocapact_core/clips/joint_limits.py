"""Bringing joint angles into the humanoid's limits without moving the hands.

The humanoid's limits are narrower than people: above all, its right shoulder has the range of the left one,
so that nearly every frame of right arms lies outside, and clipping moves the hand by 10 to 20 cm. So each
arm, from clavicle to hand, is fitted anew within its limits to where the hand was; all other joints are
clipped.
"""

from functools import cache

import numpy as np
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation

from mocapact_core.humanoid.model import JOINTS, layout, load_model
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_to_matrix

ARM = (
    "claviclerz",
    "claviclery",
    "humerusrz",
    "humerusry",
    "humerusrx",
    "radiusrx",
    "wristry",
    "handrz",
    "handrx",
)
TURN_WEIGHT = 0.05  # metres a radian: what a turned hand counts beside a moved one
CHANGE_WEIGHT = 0.01  # metres a radian: what a changed joint counts
SMOOTH_WEIGHT = 0.2  # metres a radian: what a change counts that is not that of the frame before
ITERATIONS = 50
TOLERANCE = 1e-4  # relative gain at which the fit ends


def within_limits(joints: np.ndarray) -> np.ndarray:
    """(T, 56) radians to angles that the humanoid can take: arms fitted to their hands, the rest clipped."""
    low, high = layout().joint_range.T
    limited = np.clip(joints, low, high)
    for side in "lr":
        arm = np.array([JOINTS.index(side + name) for name in ARM])
        if (joints[:, arm] != limited[:, arm]).any():
            limited[:, arm] = _fit_arm(side, joints[:, arm], low[arm], high[arm])
    return limited


def _fit_arm(side: str, wanted: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(T, 9) angles between `low` and `high` that put the hand where `wanted` puts it, by least squares.

    All frames together, so that the change of the angles is smooth in time. Gauss-Newton steps move the
    joints that are free (those at a limit that the gradient pushes outward are held), and are halved until
    they gain.
    """
    goal = _hand(side, wanted)[:2]
    angles = np.clip(wanted, low, high)
    residual, jacobian = _residual(side, angles, goal)
    cost = _cost(residual, angles - wanted)
    for _ in range(ITERATIONS):
        gradient = np.einsum("tij,ti->tj", jacobian, residual) - _change_gradient(angles - wanted)
        held = ((angles <= low) & (gradient < 0)) | ((angles >= high) & (gradient > 0))
        step = _step(jacobian, gradient, held)
        before = cost
        for length in 0.5 ** np.arange(8):
            trial = np.clip(angles + length * step, low, high)
            trial_residual, trial_jacobian = _residual(side, trial, goal)
            trial_cost = _cost(trial_residual, trial - wanted)
            if trial_cost < cost:
                angles, residual, jacobian, cost = trial, trial_residual, trial_jacobian, trial_cost
                break
        if before - cost < TOLERANCE * before:
            break
    return angles


def _residual(
    side: str, angles: np.ndarray, goal: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(T, 6) what the hand lacks to its goal, in metres, and (T, 6, 9) how the angles change it."""
    position, rotation, jacobian = _hand(side, angles)
    turn = TURN_WEIGHT * _rotation_vector(goal[1] @ np.swapaxes(rotation, 1, 2))
    return np.concatenate([goal[0] - position, turn], axis=1), jacobian


def _cost(residual: np.ndarray, change: np.ndarray) -> float:
    return float(
        (residual**2).sum()
        + CHANGE_WEIGHT**2 * (change**2).sum()
        + SMOOTH_WEIGHT**2 * (np.diff(change, axis=0) ** 2).sum()
    )


def _change_gradient(change: np.ndarray) -> np.ndarray:
    """(T, 9) half the gradient of the cost of change."""
    steps = np.pad(np.diff(change, axis=0), ((1, 1), (0, 0)))
    return CHANGE_WEIGHT**2 * change - SMOOTH_WEIGHT**2 * np.diff(steps, axis=0)


def _step(jacobian: np.ndarray, gradient: np.ndarray, held: np.ndarray) -> np.ndarray:
    """(T, 9) Gauss-Newton step of the joints that are not held, zero for those that are.

    The normal equations are a band, as frames only meet their neighbours.
    """
    n_frames, n = gradient.shape
    free = np.where(held, 0.0, 1.0)
    blocks = np.einsum("tij,tik->tjk", jacobian * free[:, None], jacobian * free[:, None])
    neighbours = np.full(n_frames, 2.0)
    neighbours[0] -= 1
    neighbours[-1] -= 1
    blocks += (CHANGE_WEIGHT**2 + SMOOTH_WEIGHT**2 * neighbours)[:, None, None] * np.eye(n)
    band = np.zeros((n + 1, n_frames * n))  # LAPACK's lower form: band[i - j, j] is the element (i, j)
    for j in range(n):
        for i in range(j, n):
            band[i - j, j::n] = blocks[:, i, j]
    band[n, :-n] = (-(SMOOTH_WEIGHT**2) * free[1:] * free[:-1]).ravel()
    return solveh_banded(band, (gradient * free).ravel(), lower=True).reshape(n_frames, n)


@cache
def _chain(side: str) -> list[tuple[np.ndarray, np.ndarray, list[np.ndarray]]]:
    """Offset, rotation and joint axes of each body from clavicle to hand, each in its parent's frame."""
    model = load_model()
    chain = []
    for name in ("clavicle", "humerus", "radius", "wrist", "hand"):
        body = model.body(f"walker/{side}{name}")
        first, count = body.jntadr[0], body.jntnum[0]
        axes = [model.jnt_axis[joint] for joint in range(first, first + count)]
        names = [model.joint(joint).name for joint in range(first, first + count)]
        assert names == [f"walker/{side}{joint}" for joint in ARM if joint[:-2] == name]
        chain.append((body.pos.copy(), quat_to_matrix(body.quat), axes))
    return chain


def _hand(side: str, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the hand is in the thorax's frame: position (n, 3), rotation (n, 3, 3), and how the angles move
    it: (n, 6, 9) position above rotation times `TURN_WEIGHT`."""
    n = len(angles)
    position, rotation = np.zeros((n, 3)), np.broadcast_to(np.eye(3), (n, 3, 3))
    anchors: list[np.ndarray] = []
    axes: list[np.ndarray] = []
    for offset, turn, joint_axes in _chain(side):
        position = position + rotation @ offset
        rotation = rotation @ turn
        for axis in joint_axes:
            anchors.append(position)
            angle = angles[:, len(axes)]
            axes.append(rotation @ axis)
            rotation = rotation @ quat_to_matrix(axis_angle_to_quat(angle[:, None] * axis))
    directions = np.stack(axes, axis=2)
    arms = np.stack([position - anchor for anchor in anchors], axis=2)
    jacobian = np.concatenate([np.cross(directions, arms, axis=1), TURN_WEIGHT * directions], axis=1)
    return position, rotation, jacobian


def _rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """(n, 3, 3) to axis times angle (n, 3), good to half a turn."""
    return Rotation.from_matrix(matrix).as_rotvec()
