"""Pictures against those of dm_control's environment in the same state."""

import numpy as np
import pytest

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.humanoid import render
from mocapact_core.humanoid.cameras import CAMERAS, Cameras
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask
from tests.tasks.oracle import pose_actions, tracking_environment

pytestmark = pytest.mark.skipif(not render.available(), reason="nothing can be rendered here")


def test_pictures_are_those_of_dm_control(builtin_motion):
    """To the pixel, after a few steps of the same actions."""
    snippet = Snippet("wave", 0, 60)
    environment = tracking_environment(
        builtin_motion, [snippet], (1, 2, 3, 4, 5), always_init_at_clip_start=True
    )
    for name in CAMERAS:
        environment.task.observables[f"walker/{name}"].enabled = True
    task = TrackingTask(References.of_snippets([snippet], read_trajectory(builtin_motion, "wave")), 1)
    task.start(slice(None), np.array([0]), np.array([0]))
    expected = environment.reset()
    with Cameras(list(CAMERAS)) as cameras:
        for _ in range(12):
            action = pose_actions(environment)
            expected = environment.step(action)
            task.step(action[None])
        pictures = cameras.pictures(task.physics.data(0))
    for name, picture in pictures.items():
        truth = expected.observation[f"walker/{name}"]
        assert picture.shape == truth.shape == (64, 64, 3) and picture.dtype == truth.dtype
        assert np.unique(truth.reshape(-1, 3), axis=0).shape[0] > 20, "there is something to be seen"
        np.testing.assert_array_equal(picture, truth)
