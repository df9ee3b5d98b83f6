"""A row of poses as in the paper's Fig. 4: the expert (bronze) beside its reference (grey) through time."""

from os import PathLike

import numpy as np
from PIL import Image

from mocapact_core.clips.snippets import Snippet
from mocapact_core.figures.playback import Playback, play
from mocapact_core.figures.stage import Stage
from mocapact_core.files import atomic
from mocapact_core.humanoid.render import Renderer
from mocapact_core.settings import TrackingSettings

WIDTH, HEIGHT = 400, 440  # pixels of one pose
POSES = 6


def draw(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    output_png: str | PathLike,
    tracking: TrackingSettings,
    poses: int = POSES,
) -> None:
    """Write a picture of `poses` moments, evenly spread over the episode of the expert in `folder`.

    Raises:
        RenderingUnavailable: this machine cannot render; see `humanoid.render.available`.
    """
    write_strip(play(trajectory_path, snippet, folder, tracking), output_png, poses)


def write_strip(playback: Playback, output_png: str | PathLike, poses: int = POSES) -> None:
    frames = np.linspace(0, len(playback) - 1, poses).round().astype(int)
    stage = Stage(playback)
    with Renderer(WIDTH, HEIGHT) as renderer:
        row = np.concatenate([stage.render(renderer, frame) for frame in frames], axis=1)
    with atomic(output_png) as path:
        Image.fromarray(row).save(path, format="PNG")
