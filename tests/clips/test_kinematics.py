"""Kinematics against dm_control's own arrays, MuJoCo's integrator and closed forms."""

import dataclasses

import h5py
import mujoco
import numpy as np
import pytest

from mocapact_core.clips.kinematics import angular_velocity, check_bodies, trajectory_from_motion
from mocapact_core.clips.trajectory import DT, SHAPES, read_trajectory
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import load_model
from mocapact_core.humanoid.rotations import quat_to_matrix


def swinging(n_frames: int = 8):
    """A smooth motion of all degrees of freedom."""
    time = DT * np.arange(n_frames)[:, None]
    position = np.hstack([time, 0.1 * np.sin(3 * time), 1 + 0 * time])
    quaternion = np.hstack([np.cos(time), 0.3 * np.sin(time), -0.5 * np.sin(time), np.sin(2 * time)])
    joints = 0.3 * np.sin(5 * time + np.arange(56))
    return position, quaternion, joints


def test_bodies_agree_with_an_independent_converter(motion_file):
    with h5py.File(motion_file) as file:
        name = min(file, key=lambda clip: file[clip].attrs["num_steps"])
        stored = {field: file[f"{name}/walkers/walker_0/{field}"][()].T for field in SHAPES}
    made = trajectory_from_motion(name, stored["position"], stored["quaternion"], stored["joints"])
    for field, size in SHAPES.items():
        if "velocity" not in field:
            expected = stored[field].reshape(-1, *size)
            np.testing.assert_allclose(getattr(made, field), expected, atol=1e-9, err_msg=field)
    np.testing.assert_allclose(made.joints_velocity, stored["joints_velocity"], atol=1e-12)


def test_velocities_carry_each_frame_to_the_next():
    """The mean of the velocities at two frames, integrated by MuJoCo, must lead from one to the other."""
    made = trajectory_from_motion("swing", *swinging(40))
    qpos, qvel = made.qpos(), made.qvel()
    model = load_model()
    for t in range(1, len(made) - 2):
        reached = qpos[t].copy()
        mujoco.mj_integratePos(model, reached, (qvel[t] + qvel[t + 1]) / 2, DT)
        np.testing.assert_allclose(reached, qpos[t + 1], atol=2e-3)


def test_a_steady_turn_has_its_angular_velocity_in_the_local_frame():
    rate = np.array([0.3, -1.0, 2.0])
    quaternion = np.zeros((30, 4))
    quaternion[0] = [0.5, -0.5, 0.1, 0.7]
    quaternion[0] /= np.linalg.norm(quaternion[0])
    for t in range(1, 30):
        quaternion[t] = quaternion[t - 1]
        mujoco.mju_quatIntegrate(quaternion[t], rate, DT)
    quaternion[10:] *= -1  # the same rotations
    np.testing.assert_allclose(angular_velocity(quaternion), np.tile(rate, (30, 1)), atol=1e-9)


def test_appendages_are_egocentric():
    made = trajectory_from_motion("swing", *swinging())
    shift, turn = np.array([2.0, -1.0, 0.0]), np.array([np.cos(0.6), 0, 0, np.sin(0.6)])
    position, quaternion, joints = swinging()
    turned = np.zeros_like(quaternion)
    for t in range(len(quaternion)):
        mujoco.mju_mulQuat(turned[t], turn, quaternion[t])
    moved = trajectory_from_motion("moved", position @ quat_to_matrix(turn).T + shift, turned, joints)
    np.testing.assert_allclose(moved.appendages, made.appendages, atol=1e-12)
    np.testing.assert_allclose(
        moved.body_positions, made.body_positions @ quat_to_matrix(turn).T + shift, atol=1e-12
    )
    np.testing.assert_array_equal(made.end_effectors, made.appendages[:, :4])


def test_bad_motion_is_refused():
    position, quaternion, joints = swinging()
    with pytest.raises(InputError, match=r"shapes .*\(8, 55\)"):
        trajectory_from_motion("short", position, quaternion, joints[:, :55])
    with pytest.raises(InputError, match="at least 2 frames"):
        trajectory_from_motion("still", position[:1], quaternion[:1], joints[:1])
    joints[3, 3] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        trajectory_from_motion("hole", position, quaternion, joints)


def test_bodies_of_another_model_are_found_out():
    made = trajectory_from_motion("swing", *swinging())
    check_bodies(made, "swing.h5")
    larger = dataclasses.replace(made, body_positions=1.1 * made.body_positions)
    with pytest.raises(InputError, match=r"swing in swing\.h5 is not motion of dm_control's CMU humanoid"):
        check_bodies(larger, "swing.h5")


def test_real_bodies_are_where_the_joints_put_them(motion_file):
    check_bodies(read_trajectory(motion_file, "CMU_049_18"), str(motion_file))
