"""Quaternions (w, x, y, z) and rotation matrices, for arrays of any leading shape."""

import numpy as np


def quat_difference(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation from `source` to `target`, conj(source) * target; shapes (..., 4) broadcast."""
    aw, ax, ay, az = np.moveaxis(source, -1, 0)
    bw, bx, by, bz = np.moveaxis(target, -1, 0)
    return np.stack(
        [
            aw * bw + ax * bx + ay * by + az * bz,
            aw * bx - ax * bw - ay * bz + az * by,
            aw * by + ax * bz - ay * bw - az * bx,
            aw * bz - ax * by + ay * bx - az * bw,
        ],
        axis=-1,
    )


def quat_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The Hamilton product a * b; shapes (..., 4) broadcast."""
    return quat_difference(a * np.array([1.0, -1.0, -1.0, -1.0]), b)


def quat_to_matrix(quat: np.ndarray) -> np.ndarray:
    """(..., 4) to (..., 3, 3). The quaternion need not be of unit length."""
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quat_to_axis_angle(quat: np.ndarray) -> np.ndarray:
    """(..., 4) to the axis times the angle in [-pi, pi), (..., 3) radians."""
    vector = quat[..., 1:]
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = (2 * np.arctan2(length, quat[..., :1]) + np.pi) % (2 * np.pi) - np.pi
    return np.where(length > 1e-10, vector / np.maximum(length, 1e-300) * angle, 0.0)


def axis_angle_to_quat(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) radians to a unit quaternion (..., 4)."""
    half = np.linalg.norm(axis_angle, axis=-1, keepdims=True) / 2
    return np.concatenate([np.cos(half), axis_angle * np.sinc(half / np.pi) / 2], axis=-1)


def rotate(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Turn vectors (..., 3) by quaternions (..., 4)."""
    return (quat_to_matrix(quat) @ vector[..., None])[..., 0]


def quat_distance(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Half the angle between unit quaternions, in [0, pi/2] radians, blind to their sign; (..., 4) to (...)."""
    dot = np.einsum("...i,...i->...", source, target)
    return 0.5 * np.arccos(np.minimum(1.0, 2 * dot * dot - 1))
