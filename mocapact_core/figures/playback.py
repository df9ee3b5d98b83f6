"""An expert on its snippet beside the reference: the motion that videos and pictures show."""

from dataclasses import dataclass
from os import PathLike

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.config import TrackingSettings
from mocapact_core.experts.watching import in_one_world
from mocapact_core.humanoid.render import BRONZE, GREY, Camera, Renderer

GAP = 1.0  # metres between expert and reference
DISTANCE = 5.6  # metres from the camera: there is room for raised arms and a jump
HEIGHT = 1.0  # metres above the floor at which the camera looks
FOLLOWING = 1.0  # seconds over which the camera's path is smoothed


@dataclass(frozen=True)
class Playback:
    """T frames of an episode and of the reference it tracked: (T, 63) each, in MuJoCo's order (m, rad)."""

    expert: np.ndarray
    reference: np.ndarray
    dt: float

    def __len__(self) -> int:
        return len(self.expert)


def play(
    trajectory_path: str | PathLike, snippet: Snippet, folder: str | PathLike, tracking: TrackingSettings
) -> Playback:
    """Run the expert in `folder` from the start of its snippet, without noise, until the episode ends."""
    expert, segment, task = in_one_world(trajectory_path, snippet, folder, tracking)
    task.start(np.zeros(1, int), np.zeros(1, int), np.zeros(1, int))
    poses = [task.physics.qpos[0].copy()]
    done = False
    while not done:
        actions, _ = expert.predict(task.observe())
        done = bool(task.step(actions).done[0])
        poses.append(task.physics.qpos[0].copy())
    return Playback(np.array(poses), segment.qpos()[: len(poses)], segment.dt)


class Stage:
    """Where the camera stands: between front and side of the humanoid, whose reference is to the right.

    The camera follows the two smoothly; its direction is fixed for the whole snippet.
    """

    def __init__(self, playback: Playback):
        self.playback = playback
        self.azimuth = _side_view(playback.reference)
        angle = np.radians(self.azimuth)
        self.right = np.array([np.sin(angle), -np.cos(angle)])
        """(2,) the direction to the right of the picture, on the floor."""
        middle = (playback.expert[:, :2] + playback.reference[:, :2]) / 2
        self.path = _smooth(middle, round(FOLLOWING / playback.dt))

    def render(self, renderer: Renderer, frame: int) -> np.ndarray:
        """(height, width, 3) uint8: the expert in bronze on the left, its reference in grey on the right."""
        expert, reference = self.playback.expert[frame].copy(), self.playback.reference[frame].copy()
        expert[:2] -= self.right * GAP / 2
        reference[:2] += self.right * GAP / 2
        camera = Camera((*self.path[frame], HEIGHT), DISTANCE, self.azimuth)
        return renderer.render([expert, reference], [BRONZE, GREY], camera)


def _side_view(poses: np.ndarray) -> float:
    """The azimuth (degrees) that looks at the humanoid half from its front and half from its side."""
    w, x, y, z = poses[:, 3:7].T
    # The root's z axis points out of the belly; x and y of it are the heading.
    forward = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x)], axis=1).mean(axis=0)
    heading = np.degrees(np.arctan2(forward[1], forward[0]))
    return float((heading + 180 - 50 + 180) % 360 - 180)


def _smooth(path: np.ndarray, window: int) -> np.ndarray:
    """A moving average that keeps both ends in place."""
    half = min(window // 2, (len(path) - 1) // 2)
    padded = np.concatenate([np.repeat(path[:1], half, 0), path, np.repeat(path[-1:], half, 0)])
    kernel = np.full(2 * half + 1, 1 / (2 * half + 1))
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)
