"""The pose that the new tasks begin in."""

from dataclasses import replace

import numpy as np
import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import layout
from mocapact_core.tasks.contact import lowest_points, nonfoot_contact
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.tasks.velocity_control import VelocityControlTask
from mocapact_core.transfer.environment import make_task


def test_the_humanoid_stands_on_its_feet_at_the_origin():
    task = VelocityControlTask(1)
    state = task.physics.state()
    np.testing.assert_array_equal(state.qpos[0], stand_pose())
    assert (state.qpos[0, :2] == 0).all() and (state.qvel == 0).all()
    assert not nonfoot_contact(state).any()
    feet = lowest_points(state, layout().feet)
    assert -0.005 < feet.min() < 0.001 and np.sort(feet[0])[3] < 0.005  # metres; more than one point bears


def test_a_clip_may_give_the_pose(tmp_path):
    """Its first frame, over the origin: read here from the file itself."""
    march = builtin_trajectory("march").segment(20, 40)
    write_trajectory(tmp_path / "march.h5", replace(march, name="march"))
    pose = stand_pose(tmp_path / "march.h5")
    expected = builtin_trajectory("march").qpos()[20]
    assert (pose[:2] == 0).all()
    np.testing.assert_allclose(pose[2:], expected[2:], atol=1e-6)
    task = make_task("go_to_target", 2, stand=tmp_path / "march.h5")
    np.testing.assert_allclose(task.physics.qpos[:, 2:], np.tile(pose[2:], (2, 1)), atol=1e-12)
    with pytest.raises(InputError, match="squat"):
        stand_pose(tmp_path / "squat.h5")
