"""Quaternions against dm_control's transformations and against their own algebra."""

import numpy as np
import pytest
from dm_control.locomotion.tasks.reference_pose.rewards import bounded_quat_dist
from dm_control.utils import transformations as tr

from mocapact_core.humanoid import rotations as ours


@pytest.fixture
def quats():
    q = np.random.default_rng(0).normal(size=(2, 20, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def test_against_dm_control(quats):
    for a, b in zip(*quats, strict=True):
        np.testing.assert_allclose(ours.quat_difference(a, b), tr.quat_diff(a, b), atol=1e-12)
        np.testing.assert_allclose(ours.quat_product(a, b), tr.quat_mul(a, b), atol=1e-12)
        np.testing.assert_allclose(ours.quat_to_matrix(a), tr.quat_to_mat(a)[:3, :3], atol=1e-12)
        np.testing.assert_allclose(ours.quat_to_axis_angle(a), tr.quat_to_axisangle(a), atol=1e-12)
        np.testing.assert_allclose(
            ours.quat_distance(a, b), bounded_quat_dist(a.copy(), b.copy())[0], atol=1e-12
        )


def test_axis_angle_round_trip():
    turns = np.random.default_rng(1).uniform(-1.5, 1.5, (50, 3))
    turns[0] = 0
    np.testing.assert_allclose(ours.quat_to_axis_angle(ours.axis_angle_to_quat(turns)), turns, atol=1e-12)


def test_rotate(quats):
    vectors = np.random.default_rng(2).normal(size=(20, 3))
    turned = ours.rotate(quats[0], vectors)
    expected = np.stack([tr.quat_rotate(q, v) for q, v in zip(quats[0], vectors, strict=True)])
    np.testing.assert_allclose(turned, expected, atol=1e-12)
