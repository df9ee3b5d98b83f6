"""Videos of experts (bronze) beside the reference they track (grey)."""

import subprocess
from os import PathLike
from pathlib import Path

from mocapact_core.clips.snippets import Snippet
from mocapact_core.config import TrackingSettings
from mocapact_core.figures.playback import Playback, Stage, play
from mocapact_core.files import atomic
from mocapact_core.humanoid.render import Renderer

WIDTH, HEIGHT = 640, 480  # pixels

# One thread and bitexact: the same pictures give the same bytes. faststart: browsers play it while it loads.
_ENCODER = "-c:v libx264 -preset medium -crf 20 -threads 1 -pix_fmt yuv420p -movflags +faststart"
_REPRODUCIBLE = "-fflags +bitexact -flags:v +bitexact -map_metadata -1"


def render_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    output_mp4: str | PathLike,
    tracking: TrackingSettings,
) -> None:
    """Write a video of the expert in `folder` on its snippet, from the start and without noise, in real time.

    It ends when the episode does: at the end of the snippet, or where the expert fails.

    Raises:
        RenderingUnavailable: this machine cannot render; see `humanoid.render.available`.
    """
    playback = play(trajectory_path, snippet, folder, tracking)
    write_video(playback, output_mp4)


def write_video(playback: Playback, output_mp4: str | PathLike) -> None:
    import imageio_ffmpeg

    source = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {1 / playback.dt:.6f} -i -"
    options = f"-y -loglevel error {source} {_ENCODER} {_REPRODUCIBLE} -f mp4".split()
    stage = Stage(playback)
    with Renderer(WIDTH, HEIGHT) as renderer, atomic(Path(output_mp4)) as path:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), *options, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
            assert encoder.stdin
            for frame in range(len(playback)):
                encoder.stdin.write(stage.render(renderer, frame).tobytes())
            encoder.stdin.close()
        if encoder.returncode:
            raise RuntimeError(f"ffmpeg failed with exit code {encoder.returncode} on {output_mp4}")
