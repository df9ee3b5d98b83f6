"""Videos: experts (bronze) and other policies (blue) beside the reference that they track (grey), motion completions by
GPT, and episodes on transfer tasks. Each with a page that plays it, and a row of poses."""

import base64
import subprocess
from html import escape
from os import PathLike
from pathlib import Path

from mocapact_core.clips.snippets import Snippet
from mocapact_core.figures.playback import Playback, play
from mocapact_core.figures.stage import Stage
from mocapact_core.figures.strip import write_strip
from mocapact_core.files import atomic, write_text
from mocapact_core.humanoid.render import Renderer
from mocapact_core.settings import TrackingSettings

WIDTH, HEIGHT = 640, 480  # pixels

# One thread and bitexact: the same pictures give the same bytes. faststart: browsers play it while it loads.
_ENCODER = "-c:v libx264 -preset medium -crf 20 -threads 1 -pix_fmt yuv420p -movflags +faststart"
_STYLE = (
    "body{margin:0;font:16px sans-serif;color:#222}figure{margin:2em auto;max-width:960px;padding:0 1em}"
    "figcaption{padding:.5em 0}video{width:100%;height:auto;background:#f7f9ff}"
)
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


def write_all(playback: Playback, output: str | Path, title: str) -> None:
    """Write the video `output`.mp4, the page that plays it, `output`.html, and a row of poses, `output`.png.

    Raises:
        RenderingUnavailable: this machine cannot render; see `humanoid.render.available`.
    """
    write_video(playback, f"{output}.mp4")
    write_page(f"{output}.mp4", f"{output}.html", title)
    write_strip(playback, f"{output}.png")


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


def write_page(video_mp4: str | PathLike, output_html: str | PathLike, title: str) -> None:
    """Write a page with the video inside: Snakemake's report shows pages, while it would only offer videos to be saved."""
    content = base64.b64encode(Path(video_mp4).read_bytes()).decode()
    write_text(
        output_html,
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><figure><figcaption>{escape(title)}</figcaption>\n"
        f'<video controls autoplay muted loop playsinline width="{WIDTH}" height="{HEIGHT}" '
        f'src="data:video/mp4;base64,{content}"></video></figure></body></html>\n',
    )
