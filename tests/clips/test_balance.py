"""Balance against closed forms: pendulum, statics, and a block's worth of Newton."""

import numpy as np

from mocapact_core.clips.balance import CENTER_HEIGHT, carried_center, center_of_pressure
from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.trajectory import DT


def test_carried_center_obeys_the_pendulum():
    pressure = 0.1 * np.sin(np.linspace(0, 7, 100))[:, None] * [1.0, -0.5]
    center = carried_center(pressure)
    acceleration = np.diff(center, 2, axis=0) / DT**2
    np.testing.assert_allclose(center[1:-1] - CENTER_HEIGHT / 9.81 * acceleration, pressure[1:-1], atol=1e-12)
    np.testing.assert_allclose(center[[0, -1]], pressure[[0, -1]], atol=1e-12)


def moved(position_of_time):
    """The first pose of the stand, moved rigidly."""
    stand = builtin_trajectory("stand")
    time = DT * np.arange(30)
    position = stand.position[0] + position_of_time(time)
    return trajectory_from_motion(
        "moved", position, np.tile(stand.quaternion[0], (30, 1)), np.tile(stand.joints[0], (30, 1))
    )


def test_a_still_body_presses_below_its_center_of_mass():
    motion = moved(lambda time: 0 * time[:, None])
    np.testing.assert_allclose(center_of_pressure(motion), motion.center_of_mass[:, :2], atol=1e-9)


def test_an_accelerated_body_presses_behind_its_center_of_mass():
    acceleration = np.array([0.8, -0.4, 1.5])
    motion = moved(lambda time: 0.5 * time[:, None] ** 2 * acceleration)
    center = motion.center_of_mass
    expected = center[:, :2] - center[:, 2:] * acceleration[:2] / (9.81 + acceleration[2])
    np.testing.assert_allclose(center_of_pressure(motion)[2:-2], expected[2:-2], atol=1e-9)
