"""Pictures against those of dm_control's environment in the same state."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.humanoid import render
from mocapact_core.humanoid.cameras import CAMERAS, Cameras
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask
from tests.humanoid.dm_control_pictures import SNIPPET

pytestmark = pytest.mark.skipif(not render.available(), reason="nothing can be rendered here")


def test_pictures_are_those_of_dm_control(builtin_motion, tmp_path):
    """To the pixel, after a few steps of the same actions."""
    output = tmp_path / "pictures.npz"
    command = [sys.executable, "-m", "tests.humanoid.dm_control_pictures", str(builtin_motion), str(output)]
    environment = os.environ | {"MUJOCO_GL": render.backend(), "PYOPENGL_PLATFORM": render.backend()}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    expected = np.load(output)
    task = TrackingTask(References.of_snippets([SNIPPET], read_trajectory(builtin_motion, "wave")), 1)
    task.start(slice(None), np.array([0]), np.array([0]))
    for action in expected["actions"]:
        task.step(action[None])
    with Cameras(list(CAMERAS)) as cameras:
        pictures = cameras.pictures(task.physics.data(0))
    assert set(pictures) == set(expected.files) - {"actions"}
    for name, picture in pictures.items():
        assert picture.shape == (64, 64, 3) and picture.dtype == expected[name].dtype
        assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 20, "there is something to be seen"
        np.testing.assert_array_equal(picture, expected[name])
