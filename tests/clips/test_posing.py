"""Whole-body poses against MuJoCo's kinematics."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from mocapact_core.clips.posing import SINK, Plan, pose, sole
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import layout, load_model

PLAN = Plan(
    joints={"lhumerusrz": np.array([1.0, 1.0])},
    root_height=np.array([1.05, 1.0]),
    root_turn=np.array([[0.0, 0.0, 0.0], [0.05, 0.2, -0.1]]),
    pressure=np.zeros((2, 2)),
    ankles=np.array([[[0.1, 0.12, 0.0], [-0.1, -0.12, 0.0]], [[0.1, 0.12, 0.0], [0.05, -0.12, 0.1]]]),
    heading=np.array([0.2, -0.1]),
    pitch=np.array([[0.0, 0.0], [0.0, 0.3]]),
)


CENTER = np.array([[0.05, 0.02], [0.1, 0.05]])


def posed(plan):
    """The planned frames in MuJoCo."""
    model, data_of_frames = load_model(), []
    for position, quaternion, joints in zip(*pose(plan, CENTER), strict=True):
        data = mujoco.MjData(model)
        data.qpos[:3], data.qpos[3:7], data.qpos[layout().joint_qpos] = position, quaternion, joints
        mujoco.mj_forward(model, data)
        data_of_frames.append(data)
    return data_of_frames


def foot_spheres(data, side):
    """(n, 3) lowest points of the spheres and capsule ends of a foot."""
    model, points = load_model(), []
    for geom in layout().feet:
        if model.geom(geom).name.startswith(f"walker/{side}"):
            reach = model.geom_size[geom, 1] * data.geom_xmat[geom].reshape(3, 3)[:, 2]
            points += [data.geom_xpos[geom] + reach, data.geom_xpos[geom] - reach]
            assert model.geom_size[geom, 0] == pytest.approx(0.03)
    return np.array(points) - [0, 0, 0.03]


def test_the_plan_is_met():
    for t, data in enumerate(posed(PLAN)):
        np.testing.assert_allclose(data.subtree_com[layout().frame, :2], CENTER[t], atol=1e-9)
        assert data.qpos[2] == PLAN.root_height[t]
        for i, side in enumerate("lr"):
            ankle = data.xpos[load_model().body(f"walker/{side}foot").id]
            height = sole(side).ankle_height - SINK
            np.testing.assert_allclose(ankle - [0, 0, height], PLAN.ankles[t, i], atol=1e-9)


def test_standing_feet_are_flat_and_point_where_planned():
    data = posed(PLAN)[0]
    for i, side in enumerate("lr"):
        points = foot_spheres(data, side)
        np.testing.assert_allclose(
            points[:, 2], -SINK, atol=3e-4
        )  # the capsules of a foot are not quite coplanar
        ankle = data.xpos[load_model().body(f"walker/{side}foot").id]
        toes = points.mean(axis=0) - ankle
        assert np.arctan2(toes[1], toes[0]) == pytest.approx(PLAN.heading[i], abs=0.02)


def test_positive_pitch_lowers_the_toes_of_a_raised_foot():
    data = posed(PLAN)[1]
    points = foot_spheres(data, "r")
    forward = points[:, 0].argsort()
    assert points[forward[-1], 2] < points[forward[0], 2] - 0.05
    assert points[:, 2].min() > 0.01


def test_what_legs_cannot_reach_is_an_error():
    with pytest.raises(InputError, match=r"Frame 0 .* legs do not reach"):
        pose(replace(PLAN, root_height=np.array([1.4, 1.4])), CENTER)
