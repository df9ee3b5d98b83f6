"""Videos and strips: what the expert did, beside the reference."""

import shutil
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import EvaluationSettings, ExpertSettings, TrackingSettings
from mocapact_core.experts.evaluate import evaluate_expert
from mocapact_core.experts.train import train_expert
from mocapact_core.figures import strip, videos
from mocapact_core.figures.playback import GAP, Playback, Stage, play
from mocapact_core.humanoid import render
from mocapact_core.humanoid.model import layout
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_product

SNIPPET = Snippet("wave", 10, 60)
TRACKING = TrackingSettings()


@pytest.fixture(scope="module")
def expert(builtin_motion, tmp_path_factory):
    """The folder of an expert of a few neurons that inverse dynamics has not taught anything."""
    folder = tmp_path_factory.mktemp("expert")
    settings = ExpertSettings(
        total_steps=0, warm_start="none", hidden=[8], workers=4, steps_per_update=512, evaluation_episodes=1
    )
    train_expert(builtin_motion, SNIPPET, folder, settings, TRACKING, seed=0)
    return folder


@pytest.fixture
def short() -> Playback:
    """Eight frames of a wave, tracked perfectly."""
    poses = builtin_trajectory("wave").qpos()[30:38]
    return Playback(poses, poses, 0.03)


@pytest.fixture
def rendering():
    if not render.available():
        pytest.skip("no OpenGL backend works on this machine: no videos to test")


def test_the_playback_is_the_episode_of_the_evaluation(builtin_motion, expert, tmp_path):
    copy = tmp_path / "expert"
    shutil.copytree(expert, copy)
    settings = EvaluationSettings(rsi_episodes=1, start_episodes=1)
    evaluate_expert(builtin_motion, SNIPPET, copy, settings, TRACKING, seed=0)
    [length] = np.load(copy / "evaluation/start.npz")["ep_lens"]
    playback = play(builtin_motion, SNIPPET, expert, TRACKING)
    assert len(playback.expert) == len(playback.reference) == length + 1
    reference = read_trajectory(builtin_motion, "wave").qpos()[10 : 10 + len(playback)]
    np.testing.assert_allclose(playback.reference, reference)
    np.testing.assert_allclose(playback.expert[0], reference[0], atol=1e-12)
    assert np.abs(playback.expert[-1] - reference[-1]).max() > 0.05  # it does not track


@pytest.mark.parametrize("yaw", [0.0, 1.0, 4.0])
def test_the_camera_sees_the_face_and_one_side(yaw):
    trajectory = builtin_trajectory("march")
    names = layout().body_names
    toes = trajectory.body_positions[:, [names.index("ltoes"), names.index("rtoes")]].mean(axis=(0, 1))
    feet = trajectory.body_positions[:, [names.index("lfoot"), names.index("rfoot")]].mean(axis=(0, 1))
    facing = np.arctan2(*(toes - feet)[1::-1]) + yaw
    poses = trajectory.qpos()
    poses[:, 3:7] = quat_product(axis_angle_to_quat(np.array([0.0, 0.0, yaw])), poses[:, 3:7])
    stage = Stage(Playback(poses, poses, 0.03))
    angle = (np.radians(stage.azimuth) - facing) % (2 * np.pi)
    assert np.radians(110) < angle < np.radians(150)  # looking against it, from its right
    np.testing.assert_allclose(np.linalg.norm(stage.right), 1)


def test_the_camera_follows_smoothly():
    poses = builtin_trajectory("stand").qpos()[:60].copy()
    poses[:, 0] = np.arange(60) * 0.05 + 0.02 * (-1.0) ** np.arange(60)
    path = Stage(Playback(poses, poses, 0.03)).path
    assert path.shape == (60, 2)
    np.testing.assert_allclose(np.diff(path[20:40, 0]), 0.05, atol=0.003)  # the steps without the jitter
    np.testing.assert_allclose(path[20:40, 0], poses[20:40, 0], atol=0.03)


def test_a_video_has_every_frame_in_real_time(rendering, short, tmp_path):
    videos.write_video(short, tmp_path / "a.mp4")
    frames = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(frames)
    assert about["size"] == (videos.WIDTH, videos.HEIGHT)
    assert about["fps"] == pytest.approx(1 / 0.03, rel=1e-3)
    shape = (videos.HEIGHT, videos.WIDTH, 3)
    pictures = [np.frombuffer(frame, np.uint8).reshape(shape) for frame in frames]
    assert len(pictures) == 8
    with render.Renderer(videos.WIDTH, videos.HEIGHT) as renderer:
        drawn = [Stage(short).render(renderer, index) for index in range(8)]
    for picture, original in zip(pictures, drawn, strict=True):
        assert np.abs(picture.astype(int) - original).mean() < 4  # compressed, but that picture


def test_videos_repeat_to_the_byte(rendering, short, tmp_path):
    few = replace(short, expert=short.expert[:3], reference=short.reference[:3])
    for name in ("a.mp4", "b.mp4"):
        videos.write_video(few, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_the_expert_is_bronze_and_left_the_reference_grey_and_right(rendering, short, tmp_path):
    strip.write_strip(short, tmp_path / "strip.png", poses=2)
    row = np.asarray(Image.open(tmp_path / "strip.png")).astype(int)
    assert row.shape == (strip.HEIGHT, 2 * strip.WIDTH, 3)
    for picture in np.split(row, 2, axis=1):
        bronze = picture[..., 0] > picture[..., 2] + 30
        columns = np.nonzero(bronze)[1]
        assert 0.02 < bronze.mean() < 0.3
        assert columns.max() < strip.WIDTH / 2 + 0.35 * strip.WIDTH / GAP / 2
        assert columns.min() > 0


def test_without_opengl_nothing_is_written(builtin_motion, expert, tmp_path, monkeypatch):
    monkeypatch.setenv(render.REMEMBERED, render.NO_BACKEND)
    with pytest.raises(render.RenderingUnavailable):
        videos.render_expert(builtin_motion, SNIPPET, expert, tmp_path / "a.mp4", TRACKING)
    assert not list(tmp_path.iterdir())
