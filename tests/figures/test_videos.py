"""Videos and strips: what the expert did, beside the reference."""

import shutil
from dataclasses import replace

import imageio_ffmpeg
import mujoco
import numpy as np
import pytest
from PIL import Image

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.errors import InputError
from mocapact_core.experts.evaluate import evaluate_expert
from mocapact_core.experts.train import train_expert
from mocapact_core.figures import strip, videos
from mocapact_core.figures.playback import Playback, play, play_completion
from mocapact_core.figures.stage import GAP, Stage
from mocapact_core.humanoid import render
from mocapact_core.humanoid.model import SUBSTEPS, layout, load_model
from mocapact_core.humanoid.rotations import axis_angle_to_quat, quat_product
from mocapact_core.settings import EvaluationSettings, ExpertSettings, TrackingSettings
from mocapact_core.tasks.references import References

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
    assert len(playback.left) == len(playback.right) == length + 1
    reference = read_trajectory(builtin_motion, "wave").qpos()[10 : 10 + len(playback)]
    np.testing.assert_allclose(playback.right, reference)
    np.testing.assert_allclose(playback.left[0], reference[0], atol=1e-12)
    assert np.abs(playback.left[-1] - reference[-1]).max() > 0.05  # it does not track


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
    few = replace(short, left=short.left[:3], right=short.right[:3])
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


@pytest.fixture
def completion(tmp_path):
    """A completion from the wave: 40 steps by the expert, of which 32 are the prompt, and 12 by GPT."""
    rng = np.random.default_rng(0)
    expert, gpt = (rng.uniform(-0.5, 0.5, (n, 56)).astype(np.float32) for n in (40, 12))
    numbers = {"snippet": [0], "start_step": [3], "prompt_lengths": [32]}
    offsets = {"offsets": [0, 12], "expert_offsets": [0, 40]}
    actions = {"actions": gpt, "expert_actions": expert}
    np.savez(tmp_path / "completion.npz", snippets=[SNIPPET.name], **numbers, **offsets, **actions)
    return tmp_path / "completion.npz", expert, gpt


def test_a_completion_plays_prompt_and_gpt_beside_the_expert(builtin_motion, completion):
    path, expert, gpt = completion
    playback = play_completion(builtin_motion, SNIPPET, path)
    assert len(playback) == 1 + 32 + 12
    assert playback.left_colours == [render.BRONZE] * 33 + [render.BLUE] * 12
    np.testing.assert_array_equal(playback.left[:33], playback.right[:33])
    np.testing.assert_allclose(playback.left[0], read_trajectory(builtin_motion, "wave").qpos()[13])
    for poses, actions in ((playback.left, [*expert[:32], *gpt]), (playback.right, expert)):
        data = mujoco.MjData(load_model())
        data.qpos[:] = read_trajectory(builtin_motion, "wave").qpos()[13]
        data.qvel[:] = References([read_trajectory(builtin_motion, "wave")]).qvel[13]
        for step, action in enumerate(actions):
            np.testing.assert_allclose(data.qpos, poses[step], atol=1e-3)
            data.ctrl[:] = action
            mujoco.mj_step(load_model(), data, SUBSTEPS)
            mujoco.mj_forward(load_model(), data)
        assert len(poses) == len(actions) + 1


def test_gpt_is_blue_and_the_expert_leaves_when_its_episode_ends(rendering, builtin_motion, completion):
    stage = Stage(play_completion(builtin_motion, SNIPPET, completion[0]))
    with render.Renderer(160, 120) as renderer:
        pictures = [stage.render(renderer, frame).astype(int) for frame in (10, 36, 44)]
    bronze = [(picture[..., 0] > picture[..., 2] + 30).mean() for picture in pictures]
    blue = [(picture[..., 2] > picture[..., 0] + 40).mean() for picture in pictures]
    assert bronze[0] > 1.6 * bronze[1] > 0.02 and bronze[2] == 0  # both, one, none
    assert blue[0] == 0 and blue[1] > 0.02 and blue[2] > 0.02


def test_a_completion_that_is_not_there_is_refused(builtin_motion, completion):
    with pytest.raises(InputError, match="no motion completion from wave-0-40"):
        play_completion(builtin_motion, Snippet("wave", 0, 40), completion[0])


def test_without_opengl_nothing_is_written(builtin_motion, expert, tmp_path, monkeypatch):
    monkeypatch.setenv(render.REMEMBERED, render.NO_BACKEND)
    with pytest.raises(render.RenderingUnavailable):
        videos.render_expert(builtin_motion, SNIPPET, expert, tmp_path / "a.mp4", TRACKING)
    assert not list(tmp_path.iterdir())
