"""What multi-clip and task policies did, what tasks asked of them, and the page that plays it."""

import base64
import re

import numpy as np
import pytest
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory, write_trajectory
from mocapact_core.distillation.evaluate import evaluate_policy
from mocapact_core.errors import InputError
from mocapact_core.figures import videos
from mocapact_core.figures.goals import SCALE, targets, velocities
from mocapact_core.figures.playback import Playback
from mocapact_core.figures.policy_playback import play_policy
from mocapact_core.figures.stage import Stage
from mocapact_core.figures.transfer_playback import LONGEST, play_transfer
from mocapact_core.humanoid import render
from mocapact_core.humanoid.markers import GREEN, Arrow, Disc
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.mlp import MLP
from mocapact_core.settings import DistillationSettings, LowLevelSettings, TrackingSettings, TransferSettings
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.transfer.train import train_transfer
from tests.browser import browser

TRACKING = TrackingSettings(ref_steps=[1, 3])
RED = (1.0, 0.0, 0.0, 1.0)


@pytest.fixture
def rendering():
    if not render.available():
        pytest.skip("no OpenGL backend works on this machine: no videos to test")


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """The folder of a policy of random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("policy")
    save_policy(MLP(ref_steps=[1, 3], observation=206 + 2 * 31 * 7, hidden=[16]), folder)
    return folder


@pytest.mark.parametrize(("motion", "first"), [("wave-10-60", 10), ("wave", 0)])
def test_a_policy_is_shown_in_its_episode_from_the_start(motion, first, builtin_motion, policy, tmp_path):
    wave = read_trajectory(builtin_motion, "wave")
    write_trajectory(tmp_path / "wave.h5", wave)
    snippet = Snippet("wave", 10, 60) if "-" in motion else Snippet("wave", 0, wave.n_steps)
    settings = DistillationSettings(evaluation_episodes=1, evaluation_noise=[], workers=1, threads=1)
    evaluate_policy(policy, [tmp_path / "wave.h5"], [snippet], tmp_path, settings, TRACKING, seed=0)
    episodes = np.load(tmp_path / "evaluation.npz")
    [length] = episodes["ep_lens"][episodes["from_start"]]
    playback = play_policy(tmp_path / "wave.h5", motion, policy, TRACKING)
    assert len(playback.left) == len(playback.right) == length + 1 > 5
    np.testing.assert_array_equal(playback.right, wave.qpos()[first : first + len(playback)])
    np.testing.assert_allclose(playback.left[0], playback.right[0], atol=1e-12)
    assert np.abs(playback.left[-1] - playback.right[-1]).max() > 0.05  # it does not track
    assert set(playback.left_colours) == {render.BLUE}


def test_what_cannot_be_shown_is_refused(builtin_motion, policy, tmp_path):
    with pytest.raises(InputError, match="ref_steps"):
        play_policy(builtin_motion, "wave", policy, TrackingSettings())
    with pytest.raises(InputError, match="wawe does not name a snippet"):
        play_policy(builtin_motion, "wawe", policy, TRACKING)
    save_policy(GPT(embedding=8, layers=1, heads=1), tmp_path)
    with pytest.raises(InputError, match="tracks no reference"):
        play_policy(builtin_motion, "wave", tmp_path, TRACKING)


@pytest.mark.parametrize(
    ("task", "kinds"), [("go_to_target", [Disc, Arrow]), ("velocity_control", [Arrow] * 2)]
)
def test_an_episode_on_a_task_shows_what_was_asked_for(task, kinds, tmp_path):
    limits = LowLevelSettings(policy=None, initial_std=0.5, max_action=1.0)
    sizes = {
        "hidden": [8],
        "workers": 2,
        "steps_per_update": 16,
        "minibatch": 16,
        "epochs": 1,
        "total_steps": 16,
    }
    settings = TransferSettings(**sizes, evaluate_every=16, selection_episodes=1, checkpoint_every=1000)
    train_transfer(task, limits, None, tmp_path, settings, seed=0)
    playback = play_transfer(task, limits, None, tmp_path, settings)
    assert 5 < len(playback) <= round(LONGEST / playback.dt)
    assert len(playback.markers) == len(playback) and len(playback.right) == 0
    for markers in playback.markers:
        assert markers and [type(marker) for marker in markers] == kinds[: len(markers)]


def test_a_target_is_a_disc_and_a_pointer_while_it_is_far():
    poses = np.tile(stand_pose(), (2, 1))
    poses[:, :2] = [[0.0, 1.0], [2.5, 5.0]]
    far, near = targets(poses, np.array([[3.0, 5.0], [3.0, 5.0]]))
    assert near == [Disc((3.0, 5.0), 1.0)] and far[0] == near[0]
    np.testing.assert_allclose(far[1].start, (0.4 * 0.6, 1 + 0.4 * 0.8, 0.03))
    np.testing.assert_allclose(far[1].end, (1.4 * 0.6, 1 + 1.4 * 0.8, 0.03))


def test_velocities_are_the_one_asked_for_and_the_own_one():
    poses = np.tile(stand_pose(), (50, 1))
    poses[:, 0] = np.arange(50) * 0.06  # 2 m/s
    goals = np.tile([3.0, np.pi / 2], (50, 1))
    for frame, (asked, own) in enumerate(velocities(poses, goals)):
        place = (*poses[frame, :2], 0.03)
        assert asked.start == own.start == pytest.approx(place)
        assert asked.end == pytest.approx((place[0], place[1] + 3 * SCALE, 0.03))
        assert own.end == pytest.approx((place[0] + 2 * SCALE, place[1], 0.03))
        assert (asked.colour, own.colour) == (GREEN, render.BLUE)


def test_markers_are_as_large_as_they_say(rendering):
    """Seen from above: an arrow of two metres, and a disc of one metre's radius."""
    away = stand_pose().copy()
    away[0] = 50
    camera = render.Camera((0, 0, 0), 10, 90, -90)
    per_metre = 400 / (2 * 10 * np.tan(np.radians(render.FIELD_OF_VIEW / 2)))
    with render.Renderer(400, 400) as renderer:
        for marker, width, height in (
            (Arrow((0, 0, 0.03), (2, 0, 0.03), RED), 2, 0.2),
            (Disc((0.5, 0.5), 1.0, RED), 2, 2),
        ):
            picture = renderer.render([away], [render.BLUE], camera, [marker]).astype(int)
            rows, columns = np.nonzero(picture[..., 0] > picture[..., 1] + 60)
            assert np.ptp(columns) / per_metre == pytest.approx(width, abs=0.08)
            assert np.ptp(rows) / per_metre == pytest.approx(height, abs=0.15)
            assert columns.min() == pytest.approx(200 + (-0.5 if width == height else 0) * per_metre, abs=3)


def test_who_is_alone_stands_in_the_middle(rendering):
    poses = np.tile(stand_pose(), (3, 1))
    alone = Playback(poses, poses[:0], 0.03, [render.BLUE] * 3, markers=[[Disc((0.0, 0.0), 0.2)]] * 3)
    with render.Renderer(200, 200) as renderer:
        picture = Stage(alone).render(renderer, 1).astype(int)
    blue = np.nonzero(picture[..., 2] > picture[..., 0] + 60)[1]
    assert abs(blue.mean() - 100) < 8
    green = picture[..., 1] > picture[..., [0, 2]].max(axis=2) + 30
    assert green.any()


def test_all_of_a_video_repeats_to_the_byte(rendering, tmp_path):
    poses = np.tile(stand_pose(), (3, 1))
    playback = Playback(poses, poses, 0.03)
    for name in "ab":
        videos.write_all(playback, tmp_path / name, "Fast & <slow>")
    for suffix in ("mp4", "html", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    page = (tmp_path / "a.html").read_text()
    [content] = re.findall('src="data:video/mp4;base64,([^"]+)"', page)
    assert base64.b64decode(content) == (tmp_path / "a.mp4").read_bytes()
    assert page.count("Fast &amp; &lt;slow&gt;") == 2


def test_a_browser_plays_the_page(rendering, tmp_path):
    poses = np.tile(stand_pose(), (6, 1))
    videos.write_all(Playback(poses, poses, 0.03), tmp_path / "stand", "A stand")
    with browser(tmp_path / "profile") as page:
        page.open(tmp_path / "stand.html")
        page.wait("document.querySelector('video').currentTime > 0")
        shown = page.value(
            "(v => [v.videoWidth, v.videoHeight, v.duration])(document.querySelector('video'))"
        )
        assert shown == [videos.WIDTH, videos.HEIGHT, pytest.approx(6 * 0.03, abs=0.01)]
        assert page.errors == []
