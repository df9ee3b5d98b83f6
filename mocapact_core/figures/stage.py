"""Where the camera stands, and who is where before it."""

import numpy as np

from mocapact_core.figures.playback import Playback
from mocapact_core.humanoid.render import BRONZE, Camera, Renderer

GAP = 1.0  # metres between the two humanoids where both are in the same place
DISTANCE = 5.6  # metres from the camera: there is room for raised arms and a jump
HEIGHT = 1.0  # metres above the floor at which the camera looks
FAR, DOWN = 6.5, -22.0  # distance and elevation (degrees) where goals on the floor are to be seen
FOLLOWING = 1.0  # seconds over which the camera's path is smoothed


class Stage:
    """The camera looks between front and side of the humanoid, with the other one, if any, to the right.

    It follows the left one smoothly; its direction is fixed.
    """

    def __init__(self, playback: Playback):
        self.playback = playback
        alone = not len(playback.right)
        self.azimuth = _side_view(playback.left[:1] if alone else playback.right)
        angle = np.radians(self.azimuth)
        self.right = np.array([np.sin(angle), -np.cos(angle)])
        """(2,) the direction to the right of the picture, on the floor."""
        self.shift = 0 if alone else GAP / 2
        """Metres from the middle."""
        self.path = _smooth(playback.left[:, :2], round(FOLLOWING / playback.dt))

    def render(self, renderer: Renderer, frame: int) -> np.ndarray:
        """(height, width, 3) uint8."""
        playback = self.playback
        poses = [playback.left[frame].copy()]
        colours = [playback.left_colours[frame] if playback.left_colours else BRONZE]
        if frame < len(playback.right):
            poses.append(playback.right[frame].copy())
            colours.append(playback.right_colour)
        for pose, side in zip(poses, (-1, 1), strict=False):
            pose[:2] += side * self.right * self.shift
        if playback.markers:
            camera = Camera((*self.path[frame], HEIGHT / 2), FAR, self.azimuth, DOWN)
            return renderer.render(poses, colours, camera, playback.markers[frame])
        return renderer.render(poses, colours, Camera((*self.path[frame], HEIGHT), DISTANCE, self.azimuth))


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
