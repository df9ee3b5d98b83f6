"""Feedback of the centre of mass against gravity that is tilted, which pushes it just so, and against a fall."""

import copy
import json
import zipfile

import mujoco
import numpy as np
import pytest

from mocapact_core.clips.builtin import LIFT, REST, SHIFT, builtin_trajectory
from mocapact_core.clips.kinematics import trajectory_from_motion
from mocapact_core.clips.trajectory import DT
from mocapact_core.experts.balance import balance
from mocapact_core.experts.controls import balanced, inverse_dynamics
from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.tasks.velocity_control import VelocityControlTask


@pytest.fixture(scope="module")
def stand():
    return builtin_trajectory("stand")


def test_does_the_work_of_the_force(stand):
    """In any motion of legs and root that leaves both feet where they are: torques times joint velocities."""
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos = stand.qpos()[0]
    mujoco.mj_fwdPosition(model, data)
    rows = np.zeros((4, 3, model.nv))
    for foot, (translation, rotation) in zip(("lfoot", "rfoot"), rows.reshape(2, 2, 3, -1), strict=True):
        mujoco.mj_jacBody(model, data, translation, rotation, model.body(f"walker/{foot}").id)
    joints = [model.jnt(i) for i in range(model.njnt)]
    moved = [joint for joint in joints if any(part in joint.name for part in ("femur", "tibia", "footr"))]
    columns = np.array([*range(6), *(joint.dofadr[0] for joint in moved)])
    still = rows.reshape(12, -1)[:, columns]
    torques = balance(stand).actions_per_newton[0] * model.actuator_gainprm[:, :1]
    rng = np.random.default_rng(0)
    for _ in range(5):
        wish = rng.standard_normal(len(columns))
        data.qvel[:] = 0
        data.qvel[columns] = wish - np.linalg.lstsq(still, still @ wish, rcond=1e-9)[0]
        mujoco.mj_fwdVelocity(model, data)
        mujoco.mj_subtreeVel(model, data)
        power = data.qvel[model.jnt_dofadr[model.actuator_trnid[:, 0]]] @ torques
        velocity = data.subtree_linvel[layout().frame][:2]
        assert np.abs(velocity).max() > 0.05
        np.testing.assert_allclose(power, velocity, atol=0.02)


def course(actions, gravity, n_steps=30):
    """(2,) where the centre of mass of the standing humanoid goes in so many steps of 5 ms, muscles already tense."""
    model = copy.copy(load_model())
    model.opt.gravity = gravity
    data = mujoco.MjData(model)
    data.qpos, data.act, data.ctrl = stand_pose(), actions, actions
    mujoco.mj_forward(model, data)
    before = data.subtree_com[layout().frame].copy()
    mujoco.mj_step(model, data, n_steps)
    return (data.subtree_com[layout().frame] - before)[:2]


@pytest.mark.parametrize("axis", [0, 1])
def test_pushes_where_it_should(stand, axis):
    """A force on the centre of mass is gravity that leans. Feet and joints give way, so it moves the body a bit less."""
    model, actions = load_model(), inverse_dynamics(stand).actions[0]
    newtons, lean = 20.0, np.zeros(3)
    lean[axis] = newtons / model.body_subtreemass[layout().frame]
    still = course(actions, model.opt.gravity)
    pushed = course(actions, model.opt.gravity + lean) - still
    push = newtons * balance(stand).actions_per_newton[0, :, axis]
    pushing = course(actions + push, model.opt.gravity) - still
    assert 0.5 < pushing[axis] / pushed[axis] < 1
    assert abs(pushing[1 - axis]) < 0.05 * pushing[axis]


def test_stands_where_others_fall(stand):
    """Ten seconds with noise, three times as long as a passive fall takes."""

    def steps_until_fall(controls):
        task = VelocityControlTask(4, steps=330)
        rng = np.random.default_rng(0)
        first, lengths, standing = np.zeros(4, int), np.zeros(4, int), np.ones(4, bool)
        while standing.any():
            actions = controls.act(task.physics.state(), first) + 0.05 * rng.standard_normal((4, 56))
            lengths += standing
            standing &= ~task.step(np.clip(actions, -1, 1)).done
        return lengths

    assert (steps_until_fall(inverse_dynamics(stand)) < 150).all()
    assert (steps_until_fall(balanced(stand)) == 330).all()


def test_asks_for_nothing_on_the_motion_itself(stand):
    task = VelocityControlTask(1, pose=stand.qpos()[0])
    still = balance(stand).act(task.physics.state(), np.zeros(1, int))
    np.testing.assert_allclose(still, 0, atol=5e-3)  # the clip breathes, the task begins at rest


def test_only_feet_on_the_floor_carry():
    march = balance(builtin_trajectory("march"))
    swing = round((REST + SHIFT + LIFT / 2) / DT)  # the middle of the first step: it stands on the left foot
    assert march.standing[0].tolist() == [0.5, 0.5]
    assert march.standing[swing].tolist() == [1, 0]
    assert march.standing[swing + round((SHIFT + LIFT) / DT)].tolist() == [0, 1]


def test_in_the_air_nothing_pushes(stand):
    rise = np.zeros((len(stand), 3))
    rise[30:40, 2] = 0.3
    jump = trajectory_from_motion("jump", stand.position + rise, stand.quaternion, stand.joints)
    flying = np.abs(balance(jump).actions_per_newton).max(axis=(1, 2)) == 0
    assert flying.nonzero()[0].tolist() == list(range(30, 40))


def test_a_training_starts_there_when_asked(train, tmp_path):
    """Its experts are not those of a start without the feedback, and say what they started from."""
    experts = {}
    for start in ("inverse_dynamics", "balance"):
        folder = train(tmp_path / start, warm_start=start, total_steps=0)
        with zipfile.ZipFile(folder / "eval_rsi/model/best_model.zip") as archive:
            record = json.loads(archive.read("provenance.json"))
        assert record["settings"]["experts"]["warm_start"] == start
        experts[start] = (folder / "expert.safetensors").read_bytes()
    assert experts["balance"] != experts["inverse_dynamics"]
