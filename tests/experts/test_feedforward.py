"""Feed-forward actions against the simulation itself: they must carry the body that they were computed for."""

import mujoco
import numpy as np
import pytest

from mocapact_core.clips.balance import model_without_floor
from mocapact_core.clips.builtin import BUILTIN, builtin_trajectory
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.trajectory import DT, read_trajectory
from mocapact_core.experts.feedforward import FRICTION, SupportPoints, contact_forces, feedforward
from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.humanoid.physics import Physics
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

WEIGHT = load_model().body_mass.sum() * 9.81


def still(position_of_time, n_frames=40):
    """The standing pose, its joints at rest, moved rigidly."""
    stand = builtin_trajectory("stand")
    position = stand.position[0] + position_of_time(DT * np.arange(n_frames))[:, None] * [0, 0, 1]
    quaternion, joints = (np.tile(array[0], (n_frames, 1)) for array in (stand.quaternion, stand.joints))
    return trajectory_from_motion("still", position, quaternion, joints)


def simulate(motion, actions):
    """(T - 1, 63) qpos after each step, from the first frame with muscles already at their first action."""
    physics = Physics(1)
    physics.place(np.array([0]), motion.qpos()[:1], motion.qvel()[:1])
    physics.act[:] = actions[0]
    course = []
    for action in actions[:-1]:
        physics.step(action[None])
        course.append(physics.qpos[0].copy())
    return np.array(course)


def mean_normalized_length(motion, actions, n_starts=12):
    """Open loop without noise, from steps spread over the motion."""
    task = TrackingTask(References([motion]), n_starts, observables=(), min_steps=30)
    starts = np.linspace(0, task.n_starts[0] - 1, n_starts).round().astype(int)
    task.start(np.arange(n_starts), np.zeros(n_starts, int), starts)
    lengths, going = np.zeros(n_starts), np.arange(n_starts)
    while len(going):
        step = task.step(actions[task.step_in_snippet[going]], going)
        lengths[going] += 1
        going = going[~step.done]
    return (lengths / (task.last_steps[0] - starts)).mean()


def pose_actions(motion):
    """The naive actions: each joint's next angle as the target of its actuator."""
    low, high = layout().joint_range.T
    actions = ((2 * motion.joints - low - high) / (high - low))[:, layout().reference_to_actuator]
    return np.clip(np.concatenate([actions[1:], actions[-1:]]), -1, 1)


def test_shape_and_range():
    motion = builtin_trajectory("squat")
    actions = feedforward(motion)
    assert actions.shape == (len(motion), 56)
    assert np.abs(actions).max() <= 1


def test_a_standing_body_keeps_its_pose():
    motion = still(lambda time: 0 * time)
    actions = feedforward(motion)
    np.testing.assert_allclose(actions, actions[:1].repeat(len(actions), 0), atol=1e-9)
    course = simulate(motion, actions)
    np.testing.assert_allclose(course[:, :3], motion.qpos()[1:, :3], atol=2e-3)
    np.testing.assert_allclose(course[:, 7:], motion.qpos()[1:, 7:], atol=0.03)


def test_a_falling_body_keeps_its_pose():
    motion = still(lambda time: 5 - 0.5 * 9.81 * time**2, n_frames=20)
    course = simulate(motion, feedforward(motion))
    np.testing.assert_allclose(course[:, 7:], motion.qpos()[1:, 7:], atol=0.03)
    np.testing.assert_allclose(course[:, 3:7], motion.qpos()[1:, 3:7], atol=0.01)


def test_floor_carries_the_weight_and_the_root_nothing():
    model = model_without_floor()
    data = mujoco.MjData(model)
    data.qpos = builtin_trajectory("stand").qpos()[0]
    mujoco.mj_inverse(model, data)
    forces = contact_forces(model, data, SupportPoints(model))
    assert forces[2] == pytest.approx(WEIGHT, rel=1e-4)
    np.testing.assert_allclose(data.qfrc_inverse[:6] - forces[:6], 0, atol=0.1)


def test_forces_of_the_floor_push_and_stay_in_the_friction_pyramid():
    model = model_without_floor()
    data = mujoco.MjData(model)
    data.qpos = builtin_trajectory("stand").qpos()[0]
    for pull in ([0, 0, 2 * WEIGHT], [3 * WEIGHT, 0, 0]):  # more than a floor can do
        mujoco.mj_inverse(model, data)
        data.qfrc_inverse[:3] -= pull
        forces = contact_forces(model, data, SupportPoints(model))
        assert forces[2] >= 0
        assert np.abs(forces[:2]).max() <= FRICTION * forces[2] + 1e-6


def test_there_is_no_floor_in_the_air():
    model = model_without_floor()
    data = mujoco.MjData(model)
    data.qpos = still(lambda time: 1 + 0 * time).qpos()[0]
    mujoco.mj_inverse(model, data)
    assert not contact_forces(model, data, SupportPoints(model)).any()


@pytest.mark.parametrize("name", BUILTIN)
def test_open_loop_tracks_the_builtin_motions(name):
    motion = builtin_trajectory(name)
    assert mean_normalized_length(motion, feedforward(motion)) > 0.9


def test_open_loop_outlasts_pose_actions():
    motion = builtin_trajectory("squat")
    inverse, naive = feedforward(motion), pose_actions(motion)
    assert mean_normalized_length(motion, inverse) > mean_normalized_length(motion, naive) + 0.03


def test_open_loop_outlasts_pose_actions_on_a_real_walk(real_motion_file):
    motion = read_trajectory(real_motion_file(), "CMU_016_15").segment(0, 100)
    inverse, naive = feedforward(motion), pose_actions(motion)
    assert mean_normalized_length(motion, inverse) > mean_normalized_length(motion, naive) + 0.03
