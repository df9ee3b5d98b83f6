"""What the goals of the transfer tasks look like in a video."""

from collections.abc import Callable, Mapping

import numpy as np

from mocapact_core.humanoid.markers import Arrow, Disc, Marker
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.humanoid.render import BLUE
from mocapact_core.tasks.go_to_target import TOLERANCE

LIFT = 0.03  # metres above the floor
POINTER = (0.4, 1.4)
"""Metres from the humanoid: ends of the arrow that points at a target, which may be out of sight."""
SCALE = 0.5  # metres of an arrow for each m/s
SMOOTHING = 10  # control steps over which the humanoid's own velocity is taken: a body sways


def targets(poses: np.ndarray, goals: np.ndarray) -> list[list[Marker]]:
    """Where to go: the disc within which there is reward, and while the humanoid is outside, an arrow towards it.

    Args:
        poses: (T, 63) in MuJoCo's order (m, rad).
        goals: (T, 2) places on the floor, metres.
    """
    return [_target(pose[:2], goal) for pose, goal in zip(poses, goals, strict=True)]


def _target(place: np.ndarray, target: np.ndarray) -> list[Marker]:
    disc = Disc((target[0], target[1]), TOLERANCE)
    distance = float(np.linalg.norm(target - place))
    if distance < TOLERANCE:
        return [disc]
    direction = (target - place) / distance
    return [disc, _arrow(place + POINTER[0] * direction, (POINTER[1] - POINTER[0]) * direction)]


def velocities(poses: np.ndarray, goals: np.ndarray) -> list[list[Marker]]:
    """Two arrows on the floor: the velocity asked for (green), and the humanoid's own (blue).

    Args:
        poses: (T, 63) in MuJoCo's order (m, rad).
        goals: (T, 2) speed (m/s) and direction (radians from the x axis).
    """
    frames = np.arange(len(poses))
    before, after = np.maximum(frames - SMOOTHING, 0), np.minimum(frames + SMOOTHING, len(poses) - 1)
    seconds = np.maximum(after - before, 1)[:, None] * CONTROL_STEP
    own = (poses[after, :2] - poses[before, :2]) / seconds
    asked = goals[:, :1] * np.stack([np.cos(goals[:, 1]), np.sin(goals[:, 1])], axis=1)
    return [
        [_arrow(pose[:2], SCALE * wanted), _arrow(pose[:2], SCALE * moving, BLUE)]
        for pose, wanted, moving in zip(poses, asked, own, strict=True)
    ]


def _arrow(place: np.ndarray, vector: np.ndarray, *colour: tuple) -> Arrow:
    start, end = (*place, LIFT), (*(place + vector), LIFT)
    return Arrow(start, end, *colour)


MARKERS: Mapping[str, Callable[[np.ndarray, np.ndarray], list[list[Marker]]]] = {
    "go_to_target": targets,
    "velocity_control": velocities,
}
"""By task: what each frame shows for its poses and goals."""
