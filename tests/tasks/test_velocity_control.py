"""Velocity control against the equation of appendix B.3.2, written out here world by world."""

import math

import mujoco
import numpy as np
import pytest

from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.tasks.velocity_control import (
    EPISODE_STEPS,
    OBSERVED,
    STEPS_PER_TARGET,
    VelocityControlTask,
    velocity_reward,
)

N_WORLDS = 3


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    """Upright as dm_control places the humanoid."""
    qpos = load_model().qpos0.copy()
    qpos[2:7] = [1.143, 0.5, 0.5, 0.5, 0.5]
    return qpos


def expected_reward(velocity, speed, direction) -> float:
    target = (speed * math.cos(direction), speed * math.sin(direction))
    dot = velocity[0] * target[0] + velocity[1] * target[1]
    score = dot / (math.hypot(*velocity) * math.hypot(*target))
    error = (math.hypot(*velocity) - math.hypot(*target)) / 0.75
    return math.exp(-(error**2)) * ((1 + score) / 2) ** 7


def torso_velocity(task: VelocityControlTask, world: int) -> np.ndarray:
    """What MuJoCo computes for the centre of mass of the root body and all below it."""
    data = task.physics.data(world)
    mujoco.mj_subtreeVel(load_model(), data)
    return data.subtree_linvel[layout().root, :2]


def test_reward_is_the_equation():
    rng = np.random.default_rng(0)
    velocity, speed = rng.normal(size=(50, 2)) * 2, rng.uniform(0.01, 4.5, 50)
    direction = rng.uniform(0, 2 * np.pi, 50)
    expected = [expected_reward(*row) for row in zip(velocity, speed, direction, strict=True)]
    np.testing.assert_allclose(velocity_reward(velocity, speed, direction), expected, rtol=1e-9)


def test_reward_in_known_cases():
    def reward(velocity, speed, direction):
        return velocity_reward(np.array([velocity]), np.array([speed]), np.array([direction]))[0]

    assert reward([0.0, 2.0], 2.0, np.pi / 2) == pytest.approx(1)
    assert reward([0.0, -2.0], 2.0, np.pi / 2) == pytest.approx(0)
    assert reward([2.0, 0.0], 2.0, np.pi / 2) == pytest.approx(0.5**7)
    assert reward([2.75, 0.0], 2.0, 0.0) == pytest.approx(math.exp(-1))
    assert reward([0.0, 0.0], 1.5, 3.0) == pytest.approx(math.exp(-4))  # at rest: no direction is wrong
    assert reward([1.0, 0.0], 0.0, 0.0) == pytest.approx(math.exp(-16 / 9))


def test_steps(pose):
    """Reward and termination of every step of falling worlds, from MuJoCo's own velocities and contacts."""
    task = VelocityControlTask(N_WORLDS, pose=pose, seed=2)
    rng = np.random.default_rng(1)
    fallen = np.zeros(N_WORLDS, bool)
    for t in range(1, 61):
        step = task.step(rng.uniform(-1, 1, (N_WORLDS, 56)))
        for world in range(N_WORLDS):
            expected = expected_reward(torso_velocity(task, world), task.speed[world], task.direction[world])
            assert step.reward[world] == pytest.approx(expected, rel=1e-9, abs=1e-15)
        contacts = [task.physics.data(world).contact.geom for world in range(N_WORLDS)]
        floor = [set(pairs[(pairs == 0).any(axis=1)].ravel()) for pairs in contacts]
        assert step.terminated.tolist() == [bool(geoms & set(layout().others)) for geoms in floor]
        assert not step.truncated.any()
        seen = task.observe()[:, task.columns["target_velocity"]]
        aim = np.stack([task.speed, np.sin(task.direction), np.cos(task.direction)], axis=1)
        np.testing.assert_allclose(seen, np.column_stack([aim, np.full(N_WORLDS, t / 333)]), rtol=1e-6)
        fallen |= step.terminated
    assert fallen.all()


def test_targets_are_drawn_every_ten_seconds(pose):
    task = VelocityControlTask(2, pose=pose)
    state = task.physics.state()
    targets = [(task.speed.copy(), task.direction.copy())]
    for t in range(1, 2 * STEPS_PER_TARGET + 2):
        task.after_step(state)  # time passes, the humanoid stands still
        new = (task.speed.copy(), task.direction.copy())
        assert np.any(new[0] != targets[-1][0]) == (t % 333 == 0)
        if t % 333 == 0:
            assert (task.observable("target_velocity", state)[:, 3] == 0).all()
            targets.append(new)
    assert len(targets) == 3


def test_targets_are_uniform(pose):
    task = VelocityControlTask(2, pose=pose)
    drawn = []
    for seed in range(2000):
        task.start(np.array([0]), [seed])
        drawn.append((task.speed[0], task.direction[0]))
    speed, direction = np.array(drawn).T
    assert 0 <= speed.min() < 0.02 and 4.48 < speed.max() <= 4.5 and abs(speed.mean() - 2.25) < 0.1
    assert 0 <= direction.min() < 0.03 and 6.25 < direction.max() < 2 * np.pi
    assert abs(direction.mean() - np.pi) < 0.14
    assert abs(np.corrcoef(speed, direction)[0, 1]) < 0.08


def test_an_episode_ends_after_a_minute(pose):
    task = VelocityControlTask(1, steps=3, pose=pose)
    hold = np.zeros((1, 56))
    assert [bool(task.step(hold).truncated[0]) for _ in range(3)] == [False, False, True]
    assert EPISODE_STEPS * 0.03 == 60


def test_the_heading_can_be_told(pose):
    """Velocity in the root's frame and in the world's are both shown: without, no direction could be kept."""
    assert {"sensors_velocimeter", "torso_xvel", "torso_yvel", "target_velocity"} <= set(OBSERVED)
    assert VelocityControlTask(1, pose=pose).observation_size == 230
