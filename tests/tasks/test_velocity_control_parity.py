"""Velocity control against a dm_control task written here from the paper, on the same states and actions."""

import math
import warnings

import mujoco
import numpy as np
import pytest

from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.tasks import velocity_control
from mocapact_core.tasks.standing import stand_pose
from mocapact_core.tasks.velocity_control import OBSERVED, VelocityControlTask

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dm_control import composer
    from dm_control.composer.observation import observable
    from dm_control.locomotion.arenas import floors
    from dm_control.locomotion.walkers import cmu_humanoid

EPISODES = 4
STEPS_PER_TARGET = 25  # instead of 333, so that goals change before a humanoid that only holds its pose falls
STANDING_STEPS = 70  # then the humanoid is thrown over


class VelocityControl(composer.Task):
    """Appendix B.3.2: speed s* in [0, 4.5] and direction psi* in [0, 2 pi), drawn anew every 10 seconds."""

    def __init__(self, steps_per_target: int):
        self.walker = cmu_humanoid.CMUHumanoidPositionControlledV2020()
        self.arena = floors.Floor((8, 8))
        self.walker.create_root_joints(self.arena.attach(self.walker))
        self.steps_per_target = steps_per_target
        self.steps, self.speed, self.direction, self.fallen = 0, 0.0, 0.0, False
        shown = self.walker.observables
        for each in (
            *shown.proprioception,
            *shown.kinematic_sensors,
            *shown.dynamic_sensors,
            shown.sensors_touch,
            shown.torso_xvel,
            shown.torso_yvel,
        ):
            each.enabled = True
        self.target = observable.Generic(lambda physics: self.shown_target())
        self.target.enabled = True
        self.set_timesteps(physics_timestep=0.005, control_timestep=CONTROL_STEP)

    @property
    def root_entity(self):
        return self.arena

    @property
    def task_observables(self):
        return {"target_velocity": self.target}

    def shown_target(self):
        phase = (self.steps % self.steps_per_target) / self.steps_per_target
        return [self.speed, math.sin(self.direction), math.cos(self.direction), phase]

    def draw(self, random_state):
        self.speed, self.direction = random_state.uniform(0, 4.5), random_state.uniform(0, 2 * math.pi)

    def initialize_episode(self, physics, random_state):
        self.steps, self.fallen = 0, False
        self.draw(random_state)
        self.walker.reinitialize_pose(physics, random_state)
        physics.data.qpos[:] = stand_pose()
        bodies = self.walker.mjcf_model.find_all("geom")
        feet = self.walker.ground_contact_geoms
        self.others = set(physics.bind([geom for geom in bodies if geom not in feet]).element_id)
        self.ground = set(physics.bind(self.arena.ground_geoms).element_id)

    def before_step(self, physics, action, random_state):
        self.walker.apply_action(physics, action, random_state)

    def after_step(self, physics, random_state):
        self.steps += 1
        if self.steps % self.steps_per_target == 0:
            self.draw(random_state)
        pairs = [{contact.geom1, contact.geom2} for contact in physics.data.contact]
        self.fallen = any(pair & self.ground and pair & self.others for pair in pairs)

    def get_reward(self, physics):
        mujoco.mj_subtreeVel(physics.model.ptr, physics.data.ptr)
        v = physics.data.subtree_linvel[physics.bind(self.walker.root_body).element_id][:2]
        goal = self.speed * np.array([math.cos(self.direction), math.sin(self.direction)])
        score = v @ goal / (np.linalg.norm(v) * np.linalg.norm(goal))
        faster = (np.linalg.norm(v) - np.linalg.norm(goal)) / 0.75
        return math.exp(-(faster**2)) * ((1 + score) / 2) ** 7

    def should_terminate_episode(self, physics):
        return self.fallen

    def get_discount(self, physics):
        return 0.0 if self.fallen else 1.0


class Driven(VelocityControlTask):
    """Our task with the goals that the other one drew."""

    goal = (0.0, 0.0)

    def draw_velocities(self, worlds):
        for world in worlds:
            self.speed[world], self.direction[world] = self.goal


def test_parity_over_episodes(monkeypatch):
    """Whole episodes from the stand: goals change, the humanoid falls."""
    monkeypatch.setattr(velocity_control, "STEPS_PER_TARGET", STEPS_PER_TARGET)
    theirs = VelocityControl(STEPS_PER_TARGET)
    oracle = composer.Environment(theirs, time_limit=60, random_state=1)
    task = Driven(1)
    rng = np.random.default_rng(0)
    changes, rewards = 0, []
    for _ in range(EPISODES):
        time_step = oracle.reset()
        task.goal = theirs.speed, theirs.direction
        task.start(np.array([0]), [0])
        same_observables(task, time_step)
        joints = oracle.physics.bind([actuator.joint for actuator in theirs.walker.actuators])
        low, high = joints.range.T
        hold, push = 2 * (joints.qpos - low) / (high - low) - 1, rng.uniform(-1, 1, 56)
        while not time_step.last():
            standing = theirs.steps < STANDING_STEPS
            action = np.clip(hold + 0.05 * rng.normal(size=56), -1, 1) if standing else push
            before = theirs.speed
            time_step = oracle.step(action)
            task.goal = theirs.speed, theirs.direction
            step = task.step(action[None])
            np.testing.assert_array_equal(task.physics.qpos[0], oracle.physics.data.qpos)
            np.testing.assert_array_equal(task.goals[0], [theirs.speed, theirs.direction])
            assert step.reward[0] == pytest.approx(time_step.reward, rel=1e-9, abs=1e-12)
            assert step.terminated[0] == (time_step.discount == 0)
            same_observables(task, time_step)
            changes += before != theirs.speed
            rewards.append(time_step.reward)
        assert time_step.discount == 0
    assert changes >= 2 * EPISODES
    assert max(rewards) > 0.1 and min(rewards) < 1e-3


def same_observables(task: VelocityControlTask, time_step) -> None:
    ours = task.observe()[0]
    for name in OBSERVED:
        prefix = "" if name == "target_velocity" else "walker/"
        theirs = np.ravel(time_step.observation[prefix + name])
        np.testing.assert_allclose(ours[task.columns[name]], theirs, rtol=1e-6, atol=2e-6, err_msg=name)


def test_goals_change_at_the_papers_time():
    """The interval that the other test shortens: 10 seconds, to the nearest step."""
    assert round(10 / CONTROL_STEP) == velocity_control.STEPS_PER_TARGET == 333


def test_shows_what_the_other_task_shows():
    shown = composer.Environment(VelocityControl(333), random_state=0).reset().observation
    assert set(OBSERVED) == {name.removeprefix("walker/") for name in shown if shown[name].size}
