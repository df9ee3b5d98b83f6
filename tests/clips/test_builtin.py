"""The built-in motions against the laws they must obey, seen through MuJoCo's kinematics and dynamics."""

import subprocess
import sys

import mujoco
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from mocapact_core.clips.balance import center_of_pressure
from mocapact_core.clips.builtin import BUILTIN, builtin_trajectory
from mocapact_core.clips.trajectory import DT, SHAPES
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import JOINTS, layout, load_model

FOOT_BODIES = ("lfoot", "rfoot")


@pytest.fixture(scope="module", params=BUILTIN)
def motion(request):
    return builtin_trajectory(request.param)


def contacts(qpos):
    """Per frame, the contacts MuJoCo finds: (names of the two geoms, distance)."""
    model = load_model()
    data = mujoco.MjData(model)
    for frame in qpos:
        data.qpos = frame
        mujoco.mj_forward(model, data)
        yield [
            (model.geom(contact.geom1).name, model.geom(contact.geom2).name, contact.dist, contact.pos.copy())
            for contact in data.contact
        ]


def test_lengths_are_known_without_the_simulator():
    program = (
        "import sys; from mocapact_core.clips.builtin import BUILTIN; print(len(BUILTIN), "
        "{'mujoco', 'dm_control', 'torch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["5", "set()"]


def test_length_is_as_planned_and_two_to_four_seconds(motion):
    assert motion.n_steps == BUILTIN[motion.name]
    assert 2 <= motion.n_steps * DT <= 4


def test_equal_on_every_call(motion):
    again = builtin_trajectory(motion.name)
    for field in SHAPES:
        assert getattr(again, field).tobytes() == getattr(motion, field).tobytes()


def test_joints_stay_within_their_limits(motion):
    low, high = layout().joint_range.T
    assert (motion.joints >= low).all()
    assert (motion.joints <= high).all()


def test_accelerations_are_bounded(motion):
    joints = np.diff(motion.joints, 2, axis=0) / DT**2
    assert np.abs(joints).max() < 150  # rad/s^2: a leg swung in a third of a second
    assert np.abs(np.diff(motion.position, 2, axis=0) / DT**2).max() < 4  # m/s^2


def test_feet_press_lightly_and_nothing_else_touches(motion):
    for found in contacts(motion.qpos()):
        assert found
        for one, other, distance, _ in found:
            assert one == "groundplane"
            assert "foot" in other or "toes" in other
            assert distance > -1e-3


def test_standing_feet_are_flat_and_do_not_slide(motion):
    feet = [layout().body_names.index(name) for name in FOOT_BODIES]
    positions, quaternions = motion.body_positions[:, feet], motion.body_quaternions[:, feet]
    standing = positions[:, :, 2] < positions[0, :, 2] + 1e-6
    assert standing.any(axis=1).all()
    assert motion.name == "march" or standing.all()
    slide = np.abs(positions - positions[0]).max(axis=2)
    turn = 1 - np.abs(np.einsum("tfi,fi->tf", quaternions, quaternions[0]))
    assert slide[standing].max() < 1e-8
    assert turn[standing].max() < 1e-12
    # Flat: all seven contact spheres of a standing foot, heel to toe, press the floor.
    touching = [sum(distance < 0 for _, _, distance, _ in found) for found in contacts(motion.qpos())]
    assert (np.array(touching) >= 7 * standing.sum(axis=1)).all()


def test_march_lifts_each_foot_twice():
    motion = builtin_trajectory("march")
    for name in FOOT_BODIES:
        height = motion.body_positions[:, layout().body_names.index(name), 2]
        high = height > height[0] + 0.05
        assert np.count_nonzero(np.diff(high.astype(int)) == 1) == 2


def test_floor_carries_the_motion_where_the_feet_stand(motion):
    for pressure, found in zip(center_of_pressure(motion), contacts(motion.qpos()), strict=True):
        support = ConvexHull([point[:2] for *_, point in found])
        assert (support.equations[:, :2] @ pressure + support.equations[:, 2]).max() < -0.015  # metres inside


def test_march_puts_its_pressure_under_the_standing_foot():
    motion = builtin_trajectory("march")
    ankles = motion.body_positions[:, [layout().body_names.index(name) for name in FOOT_BODIES]]
    lateral = center_of_pressure(motion)[:, 1]
    for standing, lifted in ((0, 1), (1, 0)):
        alone = ankles[:, lifted, 2] > ankles[0, lifted, 2] + 1e-6
        assert alone.sum() > 10
        np.testing.assert_allclose(lateral[alone], ankles[alone, standing, 1], atol=0.01)


def test_forces_are_gentle_and_need_little_friction(motion):
    acceleration = np.diff(motion.center_of_mass, 2, axis=0) / DT**2 + [0, 0, 9.81]
    assert 0.7 * 9.81 < acceleration[:, 2].min() <= acceleration[:, 2].max() < 1.3 * 9.81
    assert (np.linalg.norm(acceleration[:, :2], axis=1) / acceleration[:, 2]).max() < 0.3


def test_center_of_mass_stays_between_the_feet(motion):
    ankles = motion.body_positions[:, [layout().body_names.index(name) for name in FOOT_BODIES]]
    assert (motion.center_of_mass[:, 1] < ankles[:, 0, 1]).all()
    assert (motion.center_of_mass[:, 1] > ankles[:, 1, 1]).all()


def test_the_head_is_up_and_looks_ahead(motion):
    head = layout().body_names.index("head")
    assert (motion.body_positions[:, head, 2] > motion.position[:, 2] + 0.4).all()
    forward = np.empty(9)
    for quaternion in motion.body_quaternions[:, head]:
        mujoco.mju_quat2Mat(forward, quaternion)
        assert forward.reshape(3, 3)[0, 2] > 0.8  # the face's axis z along the world's x


def test_each_motion_does_what_its_name_says():
    root = {name: builtin_trajectory(name).position for name in BUILTIN}
    assert np.ptp(root["stand"], axis=0).max() < 0.01
    assert 0.08 < np.ptp(root["sway"][:, 1]) < 0.2
    assert 0.25 < np.ptp(root["squat"][:, 2]) < 0.5
    wave = builtin_trajectory("wave")
    hand = layout().body_names.index("rhand")
    assert (
        wave.body_positions[40, hand, 2] > wave.body_positions[40, layout().body_names.index("upperneck"), 2]
    )
    elbow = wave.joints[20:-20, JOINTS.index("rradiusrx")]
    assert np.count_nonzero(np.diff(np.sign(np.diff(elbow)))) >= 3


def test_unknown_motion_is_explained():
    with pytest.raises(InputError, match=r"no built-in motion marsh.*march.*stand, sway, wave, squat, march"):
        builtin_trajectory("marsh")
