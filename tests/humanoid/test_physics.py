"""The batched humanoid against plain MuJoCo, one world at a time."""

import mujoco
import numpy as np
import pytest

from mocapact_core.humanoid.model import JOINTS, SUBSTEPS, layout, load_model
from mocapact_core.humanoid.physics import DERIVED, Physics


@pytest.fixture
def states():
    """A few poses in the air and on the ground, with velocities."""
    rng = np.random.default_rng(0)
    model = load_model()
    qpos = np.tile(model.qpos0, (4, 1))
    qpos[:, 2] = [0.95, 1.0, 1.1, 1.6]
    qpos[:, 3:7] = [0.5, 0.5, 0.5, 0.5]
    qpos[:, 7:] += rng.uniform(-0.1, 0.1, (4, 56))
    return qpos, rng.normal(scale=0.5, size=(4, 62))


def plain_step(data, action):
    data.ctrl[:] = action
    for _ in range(SUBSTEPS):
        mujoco.mj_step(load_model(), data)
    mujoco.mj_forward(load_model(), data)


def plain_reset(qpos, qvel):
    """dm_control's: a forward pass without actuation."""
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = qpos, qvel
    flags = model.opt.disableflags
    try:
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION
        mujoco.mj_forward(model, data)
    finally:
        model.opt.disableflags = flags
    return data


def assert_same(physics, world, data):
    for name in ("qpos", "qvel", "act", *DERIVED):
        expected = getattr(data, name)
        np.testing.assert_allclose(
            getattr(physics, name)[world].ravel(), expected.ravel(), rtol=1e-10, atol=1e-10, err_msg=name
        )


def test_steps_and_resets_are_those_of_plain_mujoco(states):
    qpos, qvel = states
    physics = Physics(4, n_threads=2)
    physics.place(np.arange(4), qpos, qvel)
    worlds = [plain_reset(*state) for state in zip(qpos, qvel, strict=True)]
    actions = np.random.default_rng(1).uniform(-1, 1, (6, 4, 56))
    for action in actions:
        for world, data in enumerate(worlds):
            assert_same(physics, world, data)
            plain_step(data, action[world])
        physics.step(action)
    physics.place(np.array([2]), qpos[:1], qvel[:1])  # a reset disturbs nobody else
    worlds[2] = plain_reset(qpos[0], qvel[0])
    physics.step(actions[0])
    for world, data in enumerate(worlds):
        plain_step(data, actions[0, world])
        assert_same(physics, world, data)


def test_worlds_that_are_not_stepped_stand_still(states):
    physics = Physics(4)
    physics.place(np.arange(4), *states)
    before = physics.qpos.copy()
    physics.step(np.zeros((2, 56)), np.array([1, 3]))
    np.testing.assert_array_equal(physics.qpos[[0, 2]], before[[0, 2]])
    assert (physics.qpos[[1, 3]] != before[[1, 3]]).any(axis=1).all()
    np.testing.assert_array_equal(physics.previous_qpos, before)


def test_layout_names_the_parts_of_the_model():
    model, parts = load_model(), layout()
    assert (model.nq, model.nv, model.nu, model.na) == (63, 62, 56, 56)
    for i, name in enumerate(JOINTS):
        assert model.joint(f"walker/{name}").qposadr[0] == parts.joint_qpos[i]
    actuators = [model.actuator(i).name for i in range(model.nu)]
    assert [f"walker/{JOINTS[i]}" for i in parts.reference_to_actuator] == actuators
    assert {len(addresses) for addresses in parts.sensors.values()} == {3, 6, 10, 12}
    assert {model.geom(i).name for i in parts.feet} >= {"walker/lfoot", "walker/rfoot", "walker/ltoes0"}


def test_joints_are_those_of_dm_control():
    from dm_control.locomotion.walkers import cmu_humanoid

    walker = cmu_humanoid.CMUHumanoidPositionControlledV2020()
    assert tuple(joint.name for joint in walker.mocap_joints) == JOINTS
    assert list(walker.actuator_order) == layout().reference_to_actuator.tolist()
    bodies = tuple(body.name for body in walker.mocap_tracking_bodies)
    assert bodies == layout().body_names


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e12])
@pytest.mark.parametrize("name", ["qpos", "qvel"])
def test_divergence_is_seen_in_the_worlds_where_it_happens(states, name, number):
    physics = Physics(4)
    physics.place(np.arange(4), *states)
    for _ in range(3):
        physics.step(np.zeros((4, 56)))
        assert not physics.diverged.any()
    getattr(physics, name)[2, 9] = number
    physics.step(np.zeros((2, 56)), np.array([0, 2]))
    assert physics.diverged.tolist() == [False, False, True, False]
    physics.place(np.array([2]), states[0][:1], states[1][:1])
    physics.step(np.zeros((4, 56)))
    assert not physics.diverged.any()
