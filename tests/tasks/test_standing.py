"""The pose that the new tasks begin in."""

import numpy as np

from mocapact_core.humanoid.model import layout
from mocapact_core.tasks.contact import lowest_points, nonfoot_contact
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.tasks.velocity_control import VelocityControlTask


def test_the_humanoid_stands_on_its_feet_at_the_origin():
    task = VelocityControlTask(1)
    state = task.physics.state()
    np.testing.assert_array_equal(state.qpos[0], stand_pose())
    assert (state.qpos[0, :2] == 0).all() and (state.qvel == 0).all()
    assert not nonfoot_contact(state).any()
    feet = lowest_points(state, layout().feet)
    assert -0.005 < feet.min() < 0.001 and np.sort(feet[0])[3] < 0.005  # metres; more than one point bears
